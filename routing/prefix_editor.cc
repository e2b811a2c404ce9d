// SPDX-License-Identifier: Apache-2.0
#include "routing/prefix_editor.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "routing/prefix_writer.h"

namespace isochrone::routing {
namespace {

// Memory that updates take up before the table is copied into a larger block.
constexpr double kRoom = 0.25;

std::size_t index_of(Family family) { return family == Family::v4 ? 0 : 1; }

}  // namespace

PrefixEditor::PrefixEditor(std::vector<PrefixRow> rows, RankingId otherwise)
    : PrefixEditor(
          [&rows](const auto& take) {
            sort_rows(rows);
            std::for_each(rows.begin(), rows.end(), take);
          },
          otherwise) {}

PrefixEditor::PrefixEditor(const RowSource& rows, RankingId otherwise) : otherwise_(otherwise) {
  PrefixWriter writer(tree_, otherwise);
  Recent recent;
  rows([&](const PrefixRow& row) {
    load(row, recent);
    writer.add(row);
  });
  if (recent.rows != nullptr) recent.rows->shrink_to_fit();
  writer.finish();
  tree_.shrink(kRoom);
}

// put(), where nothing comes behind the row.
void PrefixEditor::load(const PrefixRow& row, Recent& recent) {
  if (is_wide(row.prefix)) {
    put(row.prefix, row.ranking);
    return;
  }
  const Prefix block = block_of(row.prefix);
  if (recent.rows == nullptr || recent.block != block) {
    if (recent.rows != nullptr) recent.rows->shrink_to_fit();
    recent.block = block;
    recent.rows = &blocks_[block];
  }
  const Row next = row_of(row.prefix, row.ranking);
  if (!recent.rows->empty() && !(recent.rows->back() < next)) {
    recent.rows->back().ranking = row.ranking;
    return;
  }
  recent.rows->push_back(next);
  ++size_;
  for (int bits = 8; bits < std::min(row.prefix.length(), 32); bits += 8) {
    const auto level = static_cast<std::size_t>(bits / 8 - 1);
    const Prefix around(row.prefix.address(), bits);
    if (recent.inside[level] == nullptr || recent.around[level] != around) {
      recent.around[level] = around;
      recent.inside[level] = &inside_.try_emplace(around, 0).first->second;
    }
    ++*recent.inside[level];
  }
}

void PrefixEditor::set(const Prefix& prefix, RankingId ranking) {
  if (put(prefix, ranking)) changed_[index_of(prefix.family())].push_back(prefix);
}

void PrefixEditor::erase(const Prefix& prefix) {
  if (take(prefix)) changed_[index_of(prefix.family())].push_back(prefix);
}

PrefixTable PrefixEditor::table() {
  for (const Family family : {Family::v4, Family::v6}) rewrite(family);
  return tree_.table();
}

void PrefixEditor::rewrite(Family family) {
  std::vector<Prefix>& changed = changed_[index_of(family)];
  if (changed.empty()) return;
  std::sort(changed.begin(), changed.end());
  std::vector<Prefix> regions;
  for (const Prefix& prefix : changed) {
    if (regions.empty() || !regions.back().contains(prefix)) regions.push_back(prefix);
  }
  changed.clear();
  const auto block_at = [&](Position first, int bits) {
    return Prefix(Address::from_bits(family, static_cast<std::uint64_t>(first >> 64),
                                     static_cast<std::uint64_t>(first)),
                  bits);
  };
  tree_.rewrite(family, regions,
                {[&](Position first, unsigned bits) {
                   return steps_of(block_at(first, static_cast<int>(bits)));
                 },
                 [&](Position first, unsigned bits) {
                   return throughout(block_at(first, static_cast<int>(bits)));
                 }});
}

std::optional<RankingId> PrefixEditor::throughout(const Prefix& block) const {
  if (inside_.contains(block)) return std::nullopt;
  return around(block);
}

void PrefixEditor::count(const Prefix& prefix, bool is_more) {
  size_ += is_more ? 1 : ~std::size_t{0};
  for (int bits = 8; bits < std::min(prefix.length(), 32); bits += 8) {
    const auto block = inside_.try_emplace(Prefix(prefix.address(), bits), 0).first;
    block->second += is_more ? 1U : ~0U;
    if (block->second == 0) inside_.erase(block);
  }
}

bool PrefixEditor::is_wide(const Prefix& prefix) {
  return prefix.length() <= PrefixTree::whole_bits(prefix.family());
}

Prefix PrefixEditor::block_of(const Prefix& prefix) {
  return {prefix.address(), PrefixTree::whole_bits(prefix.family())};
}

PrefixEditor::Row PrefixEditor::row_of(const Prefix& prefix, RankingId ranking) {
  return {prefix.address().high(), prefix.address().low(), ranking,
          static_cast<std::uint8_t>(prefix.length())};
}

std::optional<RankingId> PrefixEditor::find(const Prefix& prefix) const {
  if (is_wide(prefix)) {
    const auto known = wide_.find(prefix);
    return known == wide_.end() ? std::nullopt : std::optional(known->second);
  }
  const auto known = blocks_.find(block_of(prefix));
  if (known == blocks_.end()) return std::nullopt;
  const Row row = row_of(prefix, otherwise_);
  const auto at = std::lower_bound(known->second.begin(), known->second.end(), row);
  if (at == known->second.end() || row < *at) return std::nullopt;
  return at->ranking;
}

void PrefixEditor::replace(const Prefix& block, std::span<const PrefixRow> rows) {
  assert(!is_wide(block));
  Block& all = blocks_[block_of(block)];
  const auto prefix_of = [&](const Row& row) {
    return Prefix(Address::from_bits(block.family(), row.high, row.low), row.length);
  };
  const auto begin = std::lower_bound(all.begin(), all.end(), row_of(block, otherwise_));
  const auto end = std::find_if(begin, all.end(),
                                [&](const Row& row) { return !block.contains(prefix_of(row)); });
  Block next;
  for (const PrefixRow& row : rows) next.push_back(row_of(row.prefix, row.ranking));
  if (!std::equal(begin, end, next.begin(), next.end())) {
    std::for_each(begin, end, [&](const Row& row) { count(prefix_of(row), false); });
    for (const PrefixRow& row : rows) count(row.prefix, true);
    all.insert(all.erase(begin, end), next.begin(), next.end());
    changed_[index_of(block.family())].push_back(block);
  }
  if (all.empty()) blocks_.erase(block_of(block));
}

bool PrefixEditor::put(const Prefix& prefix, RankingId ranking) {
  if (is_wide(prefix)) {
    const auto length = static_cast<std::size_t>(prefix.length());
    const auto [at, is_new] = wide_.try_emplace(prefix, ranking);
    if (is_new) count(prefix, true);
    wide_lengths_[index_of(prefix.family())][length] += is_new;
    return is_new || std::exchange(at->second, ranking) != ranking;
  }
  Block& block = blocks_[block_of(prefix)];
  const Row row = row_of(prefix, ranking);
  const auto at = std::lower_bound(block.begin(), block.end(), row);
  if (at != block.end() && !(row < *at)) return std::exchange(at->ranking, ranking) != ranking;
  block.insert(at, row);
  count(prefix, true);
  return true;
}

bool PrefixEditor::take(const Prefix& prefix) {
  if (is_wide(prefix)) {
    const auto length = static_cast<std::size_t>(prefix.length());
    if (wide_.erase(prefix) == 0) return false;
    count(prefix, false);
    --wide_lengths_[index_of(prefix.family())][length];
    return true;
  }
  const auto known = blocks_.find(block_of(prefix));
  if (known == blocks_.end()) return false;
  Block& block = known->second;
  const Row row = row_of(prefix, otherwise_);
  const auto at = std::lower_bound(block.begin(), block.end(), row);
  if (at == block.end() || row < *at) return false;
  block.erase(at);
  if (block.empty()) blocks_.erase(known);
  count(prefix, false);
  return true;
}

// The ranking where no row inside the block says otherwise.
RankingId PrefixEditor::around(const Prefix& block) const {
  const auto& lengths = wide_lengths_[index_of(block.family())];
  for (int length = block.length(); length >= 0; --length) {
    if (lengths[static_cast<std::size_t>(length)] == 0) continue;
    const auto known = wide_.find(Prefix(block.address(), length));
    if (known != wide_.end()) return known->second;
  }
  return otherwise_;
}

// `part`: a block that rows are kept by, or a part of one.
std::vector<Step> PrefixEditor::steps_of(const Prefix& part) const {
  const Prefix block = block_of(part);
  const auto known = blocks_.find(block);
  const Block none;
  const Block& all = known != blocks_.end() ? known->second : none;
  std::vector<PrefixRow> rows;
  const auto begin = std::lower_bound(all.begin(), all.end(), row_of(part, otherwise_));
  for (auto row = begin; row != all.end(); ++row) {
    const auto address = Address::from_bits(part.family(), row->high, row->low);
    if (!part.contains(address)) break;
    rows.push_back({Prefix(address, row->length), row->ranking});
  }
  std::optional<RankingId> outside;
  for (int length = part.length() - 1; length > block.length() && !outside; --length) {
    const Row row = row_of(Prefix(part.address(), length), otherwise_);
    const auto at = std::lower_bound(all.begin(), begin, row);
    if (at != begin && !(row < *at)) outside = at->ranking;
  }
  return flatten(rows, outside ? *outside : around(block), position_of(part.address()),
                 static_cast<unsigned>(part.length()));
}

}  // namespace isochrone::routing
