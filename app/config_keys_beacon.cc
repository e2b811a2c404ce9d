// SPDX-License-Identifier: Apache-2.0
//
// The rows of the section beacon.
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
    Key{"beacon", section, kOne, kOptional, "", "", "",
        "Has browsers measure: doors of the collector that pages load a small script from."},
    Key{"beacon.listen", endpoint, kOne, kOptional, "", "", "",
        "Where a collector serves the script and its tasks and takes reports; absent: nowhere."},
    Key{"beacon.certificate", file, kOne, kOptional, "", "", "",
        "The certificate and its chain that browsers are shown, PEM; turns TLS on."},
    Key{"beacon.key", file, kOne, kOptional, "", "", "", "Its private key, PEM, mode 600."},
    Key{"beacon.cleartext", boolean, kOne, kOptional, "", "", "false",
        "Whether to listen without TLS where others reach it, for pages that are no HTTPS."},
    Key{"beacon.secret-file", file, kOne, kRequired, "", "", "",
        "What tasks are signed by, mode 600: one or two lines; the first signs, both are "
        "believed."},
    Key{"beacon.origins", text, kMany, kOptional, "", "", "",
        "Whose pages measure, like https://www.example.com; \"*\" is any."},
    Key{"beacon.trusted-proxies", prefix, kMany, kOptional, "", "", "",
        "Who may say by X-Forwarded-For for which client they ask."},
    Key{"beacon.zone", host_name, kOne, kOptional, "", "", "",
        "Each task looks up a name of its own below it, which tells its client's resolver."},
    Key{"beacon.sample-rate", number, kOne, kOptional, "", "0..1", "1",
        "The share of page views that measure."},
    Key{"beacon.timeout", duration, kOne, kOptional, "", "100ms..1m", "4s",
        "How long a browser waits for one object; a report of more is refused."},
    Key{"beacon.token-lifetime", duration, kOne, kOptional, "", "10s..1h", "2m",
        "How long a task may be reported after it was given out."},
    Key{"beacon.candidates", integer, kOne, kOptional, "sites", "2..8", "3",
        "How many sites one browser measures."},
    Key{"beacon.max-per-prefix", integer, kOne, kOptional, "tasks", "1..1000000", "60",
        "Tasks for one client network in a quota-window."},
    Key{"beacon.max-per-client", integer, kOne, kOptional, "tasks", "1..1000000", "2",
        "Tasks for one address (IPv6: one /64) in a quota-window."},
    Key{"beacon.quota-window", duration, kOne, kOptional, "", "1s..1d", "1m",
        "The time in which tasks are counted."},
    Key{"beacon.max-rate", integer, kOne, kOptional, "tasks per second", "1..1000000", "200",
        "Tasks for everybody together."},
    Key{"beacon.sites", section, kMany, kOptional, "", "", "",
        "What is measured, at two sites or more."},
    Key{"beacon.sites[].site", name, kOne, kRequired, "", "", "", "Name of the site."},
    Key{"beacon.sites[].object", text, kOne, kRequired, "", "", "",
        "URL of a small object at the site, served with Timing-Allow-Origin."},
    Key{"beacon.sites[].report", text, kOne, kOptional, "", "", "",
        "URL at the site that leads to /v1/beacon/report here; reports about others go through "
        "it."},
};

}  // namespace

std::span<const Key> beacon_keys() { return kKeys; }

}  // namespace isochrone::app
