// SPDX-License-Identifier: Apache-2.0
#include "collector/fusion.h"

#include <algorithm>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "base/bytes.h"

namespace isochrone::collector {
namespace {

using routing::Estimate;
using routing::Excess;
using routing::Method;
using routing::PrefixState;
using routing::SiteId;
using routing::View;

// How fast an excess follows what is seen: the last so many weigh, none moves a time by more than a step.
struct Pace {
  std::uint32_t memory;
  Micros step;
};
constexpr Pace kOfAll{16, Micros(250)};
// A path is seen seldom by two at a time, and its own difference matters to it alone.
constexpr Pace kOfPath{4, Micros(1'000)};
// Methods differ by a last mile, a queue, a slow host. What differs by more than 30 ms and a half is another path.
constexpr Micros kMisfit{30'000};
// Loses nearly all: the host answers to another method now.
constexpr int kDeafPermille = 900;

std::size_t index_of(Method method) { return static_cast<std::size_t>(method); }

bool answers(const Estimate& estimate) {
  return estimate.samples > 0 && estimate.loss_permille < kDeafPermille;
}

// So much older than the other, a view says nothing any more.
Seconds patience(const Estimate& other) {
  return answers(other) && other.method != Method::beacon ? kStale : kWatched;
}

// What `a` says more than `b`.
Excess between(const Estimate& a, const Estimate& b) {
  return {a.min - b.min,
          a.p50 - b.p50,
          a.p90 - b.p90,
          a.jitter - b.jitter,
          std::int32_t{a.loss_permille} - std::int32_t{b.loss_permille},
          1};
}

// The first time is all there is to go by.
void follow(Excess& known, const Excess& seen, Pace pace, bool trusts_first) {
  if (trusts_first && known.times == 0) {
    known = seen;
    return;
  }
  const auto weight = static_cast<std::int64_t>(pace.memory);
  for (Micros Excess::*time : {&Excess::min, &Excess::p50, &Excess::p90, &Excess::jitter}) {
    known.*time += std::clamp((seen.*time - known.*time) / weight, -pace.step, pace.step);
  }
  known.loss_permille +=
      (seen.loss_permille - known.loss_permille) / static_cast<std::int32_t>(pace.memory);
  known.times = std::min(known.times + 1, pace.memory);
}

auto order() {
  return [](const View& a, const View& b) {
    return std::pair(a.site, a.estimate.method) < std::pair(b.site, b.estimate.method);
  };
}

// The views of a path, sorted by trust. One that has none has its estimate, which is then nobody else's.
class Views {
 public:
  Views(std::span<const View> all, SiteId site, const Estimate* estimate) : all_(all) {
    if (!all_.empty() || estimate == nullptr) return;
    alone_ = {site, {}, *estimate};
    all_ = {&alone_, 1};
  }
  Views(const Views&) = delete;
  Views& operator=(const Views&) = delete;

  std::span<const View> all() const { return all_; }
  bool are_kept() const { return !all_.empty() && all_.data() != &alone_; }
  const View* find(Method method) const {
    const auto at =
        std::ranges::find(all_, method, [](const View& each) { return each.estimate.method; });
    return at != all_.end() ? &*at : nullptr;
  }
  // Whose word is the path's estimate. There is one.
  const View& best() const {
    for (const View& view : all_) {
      if (answers(view.estimate) && !is_stale(view)) return view;
    }
    const auto known =
        std::ranges::find_if(all_, [](const View& view) { return view.estimate.samples > 0; });
    return known != all_.end() ? *known : all_.front();
  }

 private:
  bool is_stale(const View& view) const {
    return std::ranges::any_of(all_, [&](const View& other) {
      return other.estimate.at - view.estimate.at > patience(other.estimate);
    });
  }

  View alone_;
  std::span<const View> all_;
};

// What the view says more than an ICMP echo.
Excess more(const PrefixState& known, const View& view, const MethodBias& bias) {
  const Method method = view.estimate.method;
  if (method == Method::icmp || view.more.times > 0) return view.more;
  std::vector<Excess> seen;
  for (const View& other : known.views) {
    if (other.estimate.method == method && other.more.times > 0) seen.push_back(other.more);
  }
  if (seen.empty()) return bias.of(method);
  const auto middle = seen.begin() + static_cast<std::ptrdiff_t>((seen.size() - 1) / 2);
  std::nth_element(seen.begin(), middle, seen.end(), [](const Excess& a, const Excess& b) {
    return std::tie(a.p50, a.min, a.p90) < std::tie(b.p50, b.min, b.p90);
  });
  return *middle;
}

// The estimate as an ICMP echo would have made it.
Estimate without(Estimate estimate, const Excess& more) {
  if (estimate.samples == 0) return estimate;
  const auto less = [](Micros& time, Micros by, Micros least) {
    if (by != Micros(0)) time = std::max(time - by, least);
  };
  less(estimate.min, more.min, Micros(1));
  less(estimate.p50, more.p50, Micros(1));
  less(estimate.p90, more.p90, Micros(1));
  less(estimate.jitter, more.jitter, Micros(0));
  if (estimate.aside_answers > 0) less(estimate.aside, more.p50, Micros(1));
  estimate.loss_permille = static_cast<std::uint16_t>(
      std::clamp(std::int32_t{estimate.loss_permille} - more.loss_permille, 0, 1'000));
  return estimate;
}

// Learns from what the view says beside the most trusted one of about the same time.
void compare(std::span<const View> views, View& view, MethodBias& bias) {
  for (const View& other : views) {
    if (other.estimate.method >= view.estimate.method) return;
    if (!answers(other.estimate) || view.estimate.at - other.estimate.at > kWatched) continue;
    const Estimate as_icmp = without(other.estimate, other.more);
    const Excess seen = between(view.estimate, as_icmp);
    if (std::chrono::abs(seen.p50) > std::max(kMisfit, as_icmp.p50 / 2)) return;
    follow(view.more, seen, kOfPath, true);
    bias.learn(view.estimate.method, seen);
    return;
  }
}

void keep(PrefixState& known, const View& view) {
  const auto at = std::lower_bound(known.views.begin(), known.views.end(), view, order());
  const bool is_there = at != known.views.end() && !order()(view, *at);
  if (is_there) {
    *at = view;
  } else {
    known.views.insert(at, view);
  }
}

// The view that speaks for a path, and where the path's views are.
struct Spokesman {
  View view;
  std::span<const View> all;
};

std::vector<Spokesman> spokesmen(const PrefixState& known) {
  std::vector<Spokesman> found;
  found.reserve(known.paths.size());
  auto first = known.views.begin();
  for (const routing::PathState& path : known.paths) {
    const auto last = std::find_if(first, known.views.end(),
                                   [&](const View& each) { return each.site != path.site; });
    const std::span<const View> all(first, last);
    found.push_back({Views(all, path.site, &path.estimate).best(), all});
    first = last;
  }
  return found;
}

bool are_of_several_methods(const std::vector<Spokesman>& spokesmen) {
  std::optional<Method> common;
  for (const Spokesman& one : spokesmen) {
    const Estimate& estimate = one.view.estimate;
    if (estimate.samples == 0) continue;
    if (common.value_or(estimate.method) != estimate.method) return true;
    common = estimate.method;
  }
  return false;
}

// Every path's estimate by its views; one that says the same as it is not kept.
void settle(PrefixState& known, const MethodBias& bias) {
  const std::vector<Spokesman> speaking = spokesmen(known);
  const bool is_mixed = are_of_several_methods(speaking);
  std::vector<View> kept;
  for (std::size_t i = 0; i < speaking.size(); ++i) {
    const auto& [view, all] = speaking[i];
    Estimate& estimate = known.paths[i].estimate;
    estimate = is_mixed ? without(view.estimate, more(known, view, bias)) : view.estimate;
    if (all.size() > 1) kept.insert(kept.end(), all.begin(), all.end());
    if (all.size() <= 1 && estimate != view.estimate) kept.push_back(view);
  }
  known.views = std::move(kept);
}

// Nearly all networks are seen by one method alone.
bool is_seen_by(const PrefixState& known, Method method) {
  return known.views.empty() && std::ranges::all_of(known.paths, [&](const auto& path) {
           return path.estimate.method == method;
         });
}

}  // namespace

const Excess& MethodBias::of(Method method) const noexcept { return more_[index_of(method)]; }

void MethodBias::learn(Method method, const Excess& seen) noexcept {
  follow(more_[index_of(method)], seen, kOfAll, false);
}

std::string MethodBias::to_bytes() const {
  std::string bytes(kBytes, '\0');
  ByteWriter out({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  for (const Excess& more : more_) {
    for (const Micros time : {more.min, more.p50, more.p90, more.jitter}) {
      out.u32(static_cast<std::uint32_t>(time.count()));
    }
    out.u32(static_cast<std::uint32_t>(more.loss_permille));
    out.u32(more.times);
  }
  return bytes;
}

void MethodBias::restore(std::string_view bytes) {
  if (bytes.size() != kBytes) return;
  ByteReader in({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  for (Excess& more : more_) {
    for (Micros* time : {&more.min, &more.p50, &more.p90, &more.jitter}) {
      *time = Micros(static_cast<std::int32_t>(in.u32()));
    }
    more.loss_permille = static_cast<std::int32_t>(in.u32());
    more.times = in.u32();
  }
}

void fuse(PrefixState& known, SiteId site, const routing::WindowSummary& window, MethodBias& bias,
          bool teaches) {
  const Estimate* before = known.find(site);
  if (is_seen_by(known, window.method)) {
    known.set(site, fold_window(before != nullptr ? *before : Estimate{}, window)).estimate.method =
        window.method;
    return;
  }
  const auto [first, last] = std::ranges::equal_range(known.views, site, {}, &View::site);
  const Views views({first, last}, site, before);
  const View* found = views.find(window.method);
  View view = found != nullptr ? *found : View{site, {}, {}};
  view.estimate = fold_window(view.estimate, window);
  view.estimate.method = window.method;
  if (teaches && window.answered > 0) compare(views.all(), view, bias);
  if (views.all().empty() || (found != nullptr && !views.are_kept())) {
    known.set(site, view.estimate);
  } else {
    if (!views.are_kept()) keep(known, views.all().front());
    keep(known, view);
  }
  settle(known, bias);
}

bool forget_probes(PrefixState& known, SiteId site, const MethodBias& bias) {
  const Estimate* estimate = known.find(site);
  const auto is_browsers = [&](const View& each) {
    return each.site == site && each.estimate.method == Method::beacon;
  };
  const auto browsers = std::ranges::find_if(known.views, is_browsers);
  if (estimate == nullptr) return false;
  if (browsers == known.views.end()) {
    if (estimate->method == Method::beacon) return false;
    known.forget([&](const routing::PathState& path) { return path.site == site; });
    return true;
  }
  const bool has_more = std::erase_if(known.views, [&](const View& each) {
                          return each.site == site && !is_browsers(each);
                        }) > 0;
  settle(known, bias);
  return has_more;
}

bool set_back(PrefixState& known, SiteId site, const Estimate& before) {
  const Estimate* now = known.find(site);
  if (now == nullptr || *now == before) return false;
  std::erase_if(known.views, [&](const View& each) { return each.site == site; });
  known.set(site, before);
  return true;
}

}  // namespace isochrone::collector
