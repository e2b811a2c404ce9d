// SPDX-License-Identifier: Apache-2.0
//
// The rows of the schema for fences, pins and hold-outs; they stand before services[].https.
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
    Key{"services[].fences", section, kMany, kOptional, "", "", "",
        "Where sites may serve clients; where fences leave none, all may."},
    Key{"services[].fences[].sites", name, kMany, kRequired, "", "", "", "The sites it holds for."},
    Key{"services[].fences[].only-in", text, kMany, kOptional, "", "", "",
        "They serve clients there alone: prefixes, country:DE, as:64496."},
    Key{"services[].fences[].never-in", text, kMany, kOptional, "", "", "",
        "They serve clients anywhere but there."},
    Key{"services[].pins", section, kMany, kOptional, "", "", "",
        "Networks that get one site, whatever is measured, while it is up."},
    Key{"services[].pins[].site", name, kOne, kRequired, "", "", "", "The site they get."},
    Key{"services[].pins[].prefixes", prefix, kMany, kRequired, "", "", "",
        "The networks; of those around a client the longest counts."},
    Key{"services[].hold-out", number, kOne, kOptional, "", "0..0.5", "0",
        "This share of networks is answered without measurements, to know what they gain."},
};

}  // namespace

std::span<const Key> terms_keys() { return kKeys; }

}  // namespace isochrone::app
