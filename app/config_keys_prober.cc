// SPDX-License-Identifier: Apache-2.0
//
// The rows of the section prober.
#include <array>

#include "app/config_schema.h"

namespace isochrone::app {
namespace {

constexpr auto kOne = Count::one;
constexpr auto kMany = Count::many;
constexpr auto kOptional = Need::optional;
constexpr auto kRequired = Need::required;
using enum KeyType;

constexpr std::array kKeys{
    Key{"prober", section, kOne, kOptional, "", "", "", "The role that measures paths."},
    Key{"prober.site", name, kOne, kRequired, "", "", "", "The site this prober stands in."},
    Key{"prober.source-addresses", address, kMany, kOptional, "", "", "",
        "Addresses to probe from, at most one per family; the kernel chooses when absent."},
    Key{"prober.methods", word, kMany, kOptional, "", "icmp|tcp|dns|hop", "[icmp, tcp, dns, hop]",
        "How to probe, in order of preference."},
    Key{"prober.tcp-port", integer, kOne, kOptional, "", "1..65535", "80",
        "The port that TCP probes knock on."},
    Key{"prober.round-interval", duration, kOne, kOptional, "", "100ms..1d", "10s",
        "A round over all targets starts this often."},
    Key{"prober.probes-per-round", integer, kOne, kOptional, "probes", "1..100", "3",
        "Probes per target and round."},
    Key{"prober.rate", integer, kOne, kOptional, "probes per second", "1..500000", "1000",
        "The most probes sent, over all targets."},
    Key{"prober.rate-per-network", integer, kOne, kOptional, "probes per second", "1..100000", "10",
        "The most probes sent to one network, a /24 or a /48."},
    Key{"prober.timeout", duration, kOne, kOptional, "", "10ms..1m", "1500ms",
        "An answer that takes longer counts as lost."},
    Key{"prober.heartbeat", duration, kOne, kOptional, "", "50ms..1h", "1s",
        "How often the prober says that its site is up."},
    Key{"prober.allow-private", boolean, kOne, kOptional, "", "", "false",
        "Whether private, loopback, link-local and test addresses may be probed."},
    Key{"prober.contact", text, kOne, kOptional, "", "", "",
        "Who to ask about these probes; every ICMP probe carries it, at most 80 characters."},
    Key{"prober.opt-out", prefix, kMany, kOptional, "", "", "",
        "Networks that are never probed, whoever asks."},
    Key{"prober.opt-out-file", file, kOne, kOptional, "", "", "",
        "More of them, one a line; read again with every reload."},
    Key{"prober.hit-list", file, kOne, kOptional, "", "", "",
        "Networks to probe, one a line: a prefix and who answers for it, or addresses alone."},
    Key{"prober.passive", section, kOne, kOptional, "", "", "",
        "Measure by the connections of real clients, too."},
    Key{"prober.passive.ports", integer, kMany, kOptional, "", "1..65535", "",
        "Local ports whose TCP connections are looked at, at most 100."},
    Key{"prober.passive.interval", duration, kOne, kOptional, "", "1s..1h", "10s",
        "How often they are looked at, and their networks told of."},
    Key{"prober.passive.log", file, kOne, kOptional, "", "", "",
        "A web server's log whose lines end with the client's RTT in microseconds."},
    Key{"prober.passive.log-address-field", integer, kOne, kOptional, "", "1..100", "1",
        "Which word of a line is the client's address."},
    Key{"prober.targets", section, kMany, kOptional, "", "", "",
        "Networks to probe besides those the collector asks for."},
    Key{"prober.targets[].prefix", prefix, kOne, kRequired, "", "", "", "The client network."},
    Key{"prober.targets[].address", address, kOne, kRequired, "", "", "",
        "The address that answers probes for it."},
};

}  // namespace

std::span<const Key> prober_keys() { return kKeys; }

}  // namespace isochrone::app
