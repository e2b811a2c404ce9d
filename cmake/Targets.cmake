# SPDX-License-Identifier: Apache-2.0
#
# The four kinds of target this project has: a library per folder, a test, a fuzz target, a benchmark.

include(GoogleTest)

# isochrone_library(base SOURCES a.cc HEADERS a.h LINKS tl::expected PRIVATE_LINKS PkgConfig::libuv)
function(isochrone_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(isochrone_${name} STATIC ${arg_SOURCES})
  add_library(isochrone::${name} ALIAS isochrone_${name})
  target_sources(isochrone_${name} PUBLIC
    FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${arg_HEADERS})
  target_link_libraries(isochrone_${name} PUBLIC isochrone::options ${arg_LINKS}
    PRIVATE ${arg_PRIVATE_LINKS})
endfunction()

# isochrone_test(base LABEL unit SOURCES test_ip.cc LINKS isochrone::base)
# LABEL is one of unit, sim, integration, slow; TIMEOUT in seconds (120 when absent).
function(isochrone_test name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "SOURCES;LINKS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(test_${name} ${arg_SOURCES})
  target_link_libraries(test_${name} PRIVATE isochrone::options ${arg_LINKS}
    GTest::gmock GTest::gtest_main)
  target_compile_definitions(test_${name} PRIVATE
    ISOCHRONE_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data")
  gtest_discover_tests(test_${name} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60 PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT})
endfunction()

# isochrone_fuzz(query LINKS isochrone::dns): fuzz_query.cc with its corpus fuzz/corpus/query/.
# With libFuzzer it explores: for seconds as the test fuzz.query, and every night for
# ISOCHRONE_FUZZ_SECONDS as fuzz_long.query, which goes on from what it found before. Without, it replays
# the corpus.
set(ISOCHRONE_FUZZ_SECONDS 480 CACHE STRING "How long each fuzz target explores at night")
function(isochrone_fuzz name)
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  add_executable(fuzz_${name} fuzz_${name}.cc)
  target_link_libraries(fuzz_${name} PRIVATE isochrone::options ${arg_LINKS})
  set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  if(ISOCHRONE_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME fuzz.${name} COMMAND fuzz_${name} -runs=20000 -seed=1 -max_len=4096 ${corpus})
    set(found ${CMAKE_CURRENT_BINARY_DIR}/found/${name})
    file(MAKE_DIRECTORY ${found})
    math(EXPR patience "${ISOCHRONE_FUZZ_SECONDS} + 120")
    # An input that takes ten seconds is a defect like a crash.
    add_test(NAME fuzz_long.${name} COMMAND fuzz_${name} -max_total_time=${ISOCHRONE_FUZZ_SECONDS}
      -max_len=16384 -timeout=10 -print_final_stats=1 -artifact_prefix=${found}- ${found} ${corpus})
    set_tests_properties(fuzz_long.${name} PROPERTIES LABELS nightly TIMEOUT ${patience})
  else()
    target_sources(fuzz_${name} PRIVATE replay_main.cc)
    add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${corpus})
  endif()
  set_tests_properties(fuzz.${name} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()

# isochrone_bench(prefix_table LINKS isochrone::routing): bench_prefix_table.cc, Google Benchmark.
function(isochrone_bench name)
  cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
  add_executable(bench_${name} bench_${name}.cc)
  target_link_libraries(bench_${name} PRIVATE isochrone::options ${arg_LINKS}
    benchmark::benchmark_main)
endfunction()
