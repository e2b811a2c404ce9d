// SPDX-License-Identifier: Apache-2.0
//
// The command `isochrone simulate`: what the routing brain would have made of measured RTTs.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "app/api.h"
#include "app/commands.h"
#include "base/text.h"
#include "collector/experiment.h"
#include "lab/coordinates.h"
#include "lab/matrix.h"

namespace isochrone::app {
namespace {

using collector::Experiment;
using collector::Findings;
using collector::RttSlice;
using collector::Strategy;
using collector::Summary;
using Json = nlohmann::ordered_json;

Result<RttSlice> read_slice(const std::string& file, lab::RttUnit unit) {
  const auto matrix = lab::RttMatrix::read(file, unit);
  if (!matrix) return tl::unexpected(matrix.error());
  RttSlice slice{matrix->rows(), matrix->columns(), {}};
  slice.micros.reserve(slice.rows * slice.columns);
  for (std::size_t row = 0; row < slice.rows; ++row) {
    for (std::size_t column = 0; column < slice.columns; ++column) {
      const auto rtt = matrix->rtt(row, column);
      slice.micros.push_back(rtt ? static_cast<std::int32_t>(rtt->count()) : -1);
    }
  }
  return slice;
}

Result<void> read_network(const SimulateArguments& arguments, Experiment& experiment) {
  const auto unit = arguments.unit == "us"  ? lab::RttUnit::us
                    : arguments.unit == "s" ? lab::RttUnit::s
                                            : lab::RttUnit::ms;
  for (const std::string& file : arguments.rtt) {
    auto slice = read_slice(file, unit);
    if (!slice) return tl::unexpected(slice.error());
    const RttSlice& first = experiment.slices.empty() ? *slice : experiment.slices.front();
    if (slice->rows != first.rows || slice->columns != first.columns) {
      return fail(Errc::invalid,
                  fmt::format("{}:1: {} rows of {}, but {} has {} of {}; slices are of one shape",
                              file, slice->rows, slice->columns, arguments.rtt.front(), first.rows,
                              first.columns));
    }
    experiment.slices.push_back(std::move(*slice));
  }
  if (arguments.coordinates.empty()) return {};
  const auto places = lab::read_coordinates(arguments.coordinates);
  if (!places) return tl::unexpected(places.error());
  for (const lab::Coordinates& place : *places) {
    experiment.coordinates.push_back({place.latitude, place.longitude});
  }
  return {};
}

Json json_of(const std::optional<Summary>& summary) {
  if (!summary) return nullptr;
  Json json{{"count", summary->count},
            {"mean_ms", summary->mean},
            {"p50_ms", summary->p50},
            {"p90_ms", summary->p90},
            {"p95_ms", summary->p95},
            {"p99_ms", summary->p99},
            {"wrong_site_share", summary->wrong_share}};
  json["worse_than_geo_share"] = summary->harm_share ? Json(*summary->harm_share) : Json();
  json["measurements"] = summary->measurements;
  return json;
}

std::string as_json(const SimulateArguments& arguments, const Experiment& experiment,
                    const Findings& findings) {
  Json json{{"rtt", arguments.rtt},
            {"slices", experiment.slices.size()},
            {"from_slice", experiment.from_slice},
            {"sites", findings.sites},
            {"clients", findings.clients},
            {"draws", experiment.draws},
            {"seed", experiment.seed}};
  json["budget"] = experiment.budget > 0 ? Json(experiment.budget) : Json();
  for (std::size_t i = 0; i < collector::kStrategies; ++i) {
    json["strategies"][std::string(to_string(static_cast<Strategy>(i)))] =
        json_of(findings.strategies[i]);
  }
  json["draw_sites"] = findings.draw_sites;
  json["mesh_measurements"] = findings.mesh_measurements;
  json["preferences_changed"] = findings.preferences_changed;
  json["late_changes"] = findings.late_changes;
  json["late_client_hours"] = static_cast<double>(findings.late_client_seconds) / 3'600;
  return json.dump() + "\n";
}

std::string as_table(const Experiment& experiment, const Findings& findings) {
  std::string text = fmt::format(
      "{} sites, {} clients, {} slice{}, {} draw{} from seed {}, {}\n\n"
      "{:<17} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9} {:>13}\n",
      findings.sites, findings.clients, experiment.slices.size(),
      experiment.slices.size() == 1 ? "" : "s", experiment.draws, experiment.draws == 1 ? "" : "s",
      experiment.seed,
      experiment.budget > 0 ? fmt::format("{} paths per client and slice", experiment.budget)
                            : "every path measured",
      "penalty (ms)", "mean", "p50", "p90", "p95", "p99", "wrong %", "harmed %", "measurements");
  for (std::size_t i = 0; i < collector::kStrategies; ++i) {
    const auto& summary = findings.strategies[i];
    if (!summary) continue;
    text +=
        fmt::format("{:<17} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.2f} {:>8.1f} {:>9} {:>13}\n",
                    to_string(static_cast<Strategy>(i)), summary->mean, summary->p50, summary->p90,
                    summary->p95, summary->p99, summary->wrong_share * 100,
                    summary->harm_share ? fmt::format("{:.2f}", *summary->harm_share * 100) : "-",
                    summary->measurements);
  }
  return text;
}

Result<std::string> run_simulation(const SimulateArguments& arguments) {
  Experiment experiment;
  if (auto read = read_network(arguments, experiment); !read) return tl::unexpected(read.error());
  // "20" draws so many; "3,5,8" names rows.
  const auto words = split(arguments.sites, ',');
  if (words.size() == 1) {
    experiment.drawn_sites = parse_number<std::size_t>(words.front()).value_or(0);
  } else {
    for (const auto word : words) {
      if (const auto row = parse_number<std::size_t>(word)) experiment.sites.push_back(*row);
    }
  }
  experiment.draws = arguments.draws;
  experiment.seed = arguments.seed;
  experiment.budget = arguments.budget;
  experiment.rounds = arguments.rounds;
  experiment.noise = Micros(std::llround(arguments.noise_ms * 1'000));
  experiment.from_slice = arguments.from_slice;
  const bool is_watched = ::isatty(STDERR_FILENO) == 1;
  const auto findings = run_experiment(experiment, [&](unsigned draw) {
    if (is_watched) fmt::print(stderr, "\rdraw {} of {}  ", draw + 1, experiment.draws);
  });
  if (is_watched) fmt::print(stderr, "\r{:30}\r", "");
  if (!findings) return tl::unexpected(findings.error());
  return arguments.json ? as_json(arguments, experiment, *findings)
                        : as_table(experiment, *findings);
}

}  // namespace

std::string check_sites(const std::string& text) {
  std::vector<std::size_t> seen;
  for (const auto word : split(text, ',')) {
    const auto number = parse_number<std::size_t>(word);
    if (!number || std::find(seen.begin(), seen.end(), *number) != seen.end()) {
      return fmt::format("\"{}\": a number of sites, or a list of rows from 0, each once: 3,5,8",
                         text);
    }
    seen.push_back(*number);
  }
  if (seen.size() == 1 && seen.front() == 0) return "no sites; ask for at least one";
  return {};
}

int simulate_command(const SimulateArguments& arguments) {
  const auto text = run_simulation(arguments);
  if (!text) return complain(text.error());
  fmt::print("{}", *text);
  return 0;
}

}  // namespace isochrone::app
