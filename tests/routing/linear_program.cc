// SPDX-License-Identifier: Apache-2.0
#include "tests/routing/linear_program.h"

#include <coin/Clp_C_Interface.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

namespace isochrone::routing::testing {
namespace {

// What Clp takes for infinite.
constexpr double kInfinite = std::numeric_limits<double>::max();

// Columns: each offer's demand, then what each site carries beyond its commit. Rows: each network is
// served wholly; each site carries no more than its capacity; what exceeds the commit is counted.
struct Program {
  std::vector<CoinBigIndex> starts{0};
  std::vector<int> rows;
  std::vector<double> values;
  std::vector<double> lower;
  std::vector<double> upper;
  std::vector<double> cost;

  void entry(std::size_t row, double value) {
    rows.push_back(static_cast<int>(row));
    values.push_back(value);
  }
  void end_column(double price, double most) {
    starts.push_back(static_cast<CoinBigIndex>(rows.size()));
    cost.push_back(price);
    lower.push_back(0);
    upper.push_back(most);
  }
};

}  // namespace

std::optional<double> least_cost(const AssignmentProblem& problem) {
  const std::size_t networks = problem.networks();
  const std::size_t sites = problem.rooms().size();
  Program program;
  std::vector<double> row_lower(networks + 2 * sites, -kInfinite);
  std::vector<double> row_upper(networks + 2 * sites, kInfinite);
  const auto bound = [](double value) { return std::isinf(value) ? kInfinite : value; };
  for (std::size_t n = 0; n < networks; ++n) {
    row_lower[n] = row_upper[n] = problem.demand(n);
    for (const Offer& offer : problem.offers(n)) {
      program.entry(n, 1);
      program.entry(networks + offer.site.index(), 1);
      program.entry(networks + sites + offer.site.index(), 1);
      program.end_column(static_cast<double>(offer.cost.count()), kInfinite);
    }
  }
  for (std::size_t s = 0; s < sites; ++s) {
    const Room& room = problem.rooms()[s];
    row_upper[networks + s] = bound(room.capacity);
    row_upper[networks + sites + s] = bound(std::min(room.commit, room.capacity));
    program.entry(networks + sites + s, -1);
    program.end_column(static_cast<double>(room.beyond.count()), kInfinite);
  }
  const std::unique_ptr<Clp_Simplex, decltype(&Clp_deleteModel)> model(Clp_newModel(),
                                                                       Clp_deleteModel);
  Clp_setLogLevel(model.get(), 0);
  Clp_loadProblem(model.get(), static_cast<int>(program.cost.size()),
                  static_cast<int>(row_lower.size()), program.starts.data(), program.rows.data(),
                  program.values.data(), program.lower.data(), program.upper.data(),
                  program.cost.data(), row_lower.data(), row_upper.data());
  Clp_initialSolve(model.get());
  if (Clp_status(model.get()) != 0) return std::nullopt;
  return Clp_objectiveValue(model.get());
}

}  // namespace isochrone::routing::testing
