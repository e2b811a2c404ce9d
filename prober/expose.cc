// SPDX-License-Identifier: Apache-2.0
#include "prober/expose.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

namespace isochrone::prober {
namespace {

struct MethodName {
  Method method;
  std::string_view name;
};
constexpr std::array kMethods{MethodName{Method::icmp, "icmp"}, MethodName{Method::tcp, "tcp"},
                              MethodName{Method::dns, "dns"}, MethodName{Method::hop, "hop"}};

double number(const Counter& counter) { return static_cast<double>(counter.value()); }
double number(const std::atomic<std::size_t>& gauge) {
  return static_cast<double>(gauge.load(std::memory_order_relaxed));
}

void measure_method(const MethodCounters& of, std::string_view method, Metrics& metrics) {
  const auto add = [&](std::string_view metric, std::string_view help, const Counter& counter) {
    metrics.counter(metric, help, number(counter), {{"method", method}});
  };
  add("isochrone_prober_probes_sent_total", "Probes sent.", of.sent);
  add("isochrone_prober_probes_answered_total", "Probes answered in time.", of.answered);
  add("isochrone_prober_probes_lost_total", "Probes not answered in time.", of.lost);
  add("isochrone_prober_answers_late_total", "Answers after the timeout.", of.late);
  add("isochrone_prober_answers_duplicate_total", "Further answers to one probe.", of.duplicate);
  add("isochrone_prober_answers_forged_total", "Answers to no probe of ours.", of.forged);
}

void measure_passive(const PassiveCounters& of, Metrics& metrics) {
  const auto add = [&](std::string_view metric, std::string_view help, const Counter& counter) {
    metrics.counter(metric, help, number(counter));
  };
  add("isochrone_prober_passive_sweeps_total", "Looks at clients' connections.", of.sweeps);
  add("isochrone_prober_passive_sweeps_put_off_total", "Sweeps that waited for the one before.",
      of.sweeps_put_off);
  add("isochrone_prober_passive_connections_total", "Connections looked at.", of.connections);
  add("isochrone_prober_passive_refused_total", "Sweeps the kernel cut short.", of.refused);
  add("isochrone_prober_passive_log_lines_total", "Lines read of the log.", of.lines);
  add("isochrone_prober_passive_log_lines_skipped_total", "Lines without address and RTT.",
      of.lines_skipped);
  add("isochrone_prober_passive_log_rotations_total", "New log files.", of.rotations);
  add("isochrone_prober_passive_rtts_total", "RTTs told the collector.", of.rtts);
  add("isochrone_prober_passive_losses_total", "Losses told the collector.", of.losses);
}

}  // namespace

void measure_counters(const Counters& all, Metrics& metrics) {
  for (const MethodName& each : kMethods) measure_method(all.of(each.method), each.name, metrics);
  measure_passive(all.passive, metrics);
  const auto add = [&](std::string_view metric, std::string_view help, const Counter& counter) {
    metrics.counter(metric, help, number(counter));
  };
  add("isochrone_prober_send_errors_total", "Packets this host refused to send.", all.send_errors);
  add("isochrone_prober_unreachable_total", "Probes without a route.", all.unreachable);
  add("isochrone_prober_losses_withheld_total", "Losses of a search, no event.", all.withheld);
  add("isochrone_prober_turns_skipped_total", "Turns while a probe was in flight.", all.skipped);
  add("isochrone_prober_turns_put_off_total", "Turns that waited for their network's rate.",
      all.put_off);
  add("isochrone_prober_turns_stalled_total", "Turns put off: too many in flight.", all.stalled);
  add("isochrone_prober_rounds_total", "Rounds begun.", all.rounds);
  add("isochrone_prober_rounds_stretched_total", "Rounds longer than planned.",
      all.rounds_stretched);
  add("isochrone_prober_clock_steps_total", "RTTs saved from a clock step.", all.clock_steps);
  add("isochrone_prober_targets_refused_total", "Targets never probed.", all.refused_targets);
  metrics.gauge("isochrone_prober_targets", "Targets probed.", number(all.configured),
                {{"origin", "configuration"}});
  metrics.gauge("isochrone_prober_targets", "Targets probed.", number(all.demanded),
                {{"origin", "demand"}});
  metrics.gauge("isochrone_prober_in_flight", "Probes on their way.", number(all.in_flight));
}

std::string status_of(const Counters& all, const event::Poster::Stats& posted,
                      const std::string& site, std::uint64_t epoch) {
  nlohmann::json methods;
  for (const MethodName& each : kMethods) {
    const MethodCounters& of = all.of(each.method);
    methods[std::string(each.name)] = {
        {"sent", of.sent.value()},           {"answered", of.answered.value()},
        {"lost", of.lost.value()},           {"late", of.late.value()},
        {"duplicate", of.duplicate.value()}, {"forged", of.forged.value()}};
  }
  const nlohmann::json targets{{"configured", all.configured.load()},
                               {"demanded", all.demanded.load()}};
  const nlohmann::json events{{"posted", posted.posted},
                              {"acknowledged", posted.acknowledged},
                              {"dropped", posted.dropped},
                              {"rejected", posted.rejected}};
  const nlohmann::json status{{"site", site},
                              {"epoch", epoch},
                              {"round", all.rounds.value()},
                              {"rounds_stretched", all.rounds_stretched.value()},
                              {"targets", targets},
                              {"targets_refused", all.refused_targets.value()},
                              {"in_flight", all.in_flight.load()},
                              {"send_errors", all.send_errors.value()},
                              {"unreachable", all.unreachable.value()},
                              {"withheld", all.withheld.value()},
                              {"methods", methods},
                              {"passive",
                               {{"sweeps", all.passive.sweeps.value()},
                                {"connections", all.passive.connections.value()},
                                {"log_lines", all.passive.lines.value()},
                                {"log_lines_skipped", all.passive.lines_skipped.value()},
                                {"rtts", all.passive.rtts.value()},
                                {"losses", all.passive.losses.value()}}},
                              {"events", events}};
  return status.dump();
}

}  // namespace isochrone::prober
