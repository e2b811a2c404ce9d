# SPDX-License-Identifier: Apache-2.0
#
# isochrone::options: the language standard, warnings and sanitizers, for our own code only.

add_library(isochrone_options INTERFACE)
add_library(isochrone::options ALIAS isochrone_options)
target_compile_features(isochrone_options INTERFACE cxx_std_20)
target_include_directories(isochrone_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(isochrone_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wunused -Wnull-dereference
  -Wdouble-promotion -Wformat=2 -Wimplicit-fallthrough
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op>)
if(ISOCHRONE_WERROR)
  target_compile_options(isochrone_options INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  # Once it optimises, GCC 12 sees null dereferences, overlaps and overruns inside inlined library code
  # that cannot happen (its bugs 105329, 105651 and 105762). The dev and clang presets keep these warnings.
  target_compile_options(isochrone_options INTERFACE
    -Wno-null-dereference -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(ISOCHRONE_SANITIZE)
  target_compile_options(isochrone_options INTERFACE
    -fsanitize=${ISOCHRONE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(isochrone_options INTERFACE -fsanitize=${ISOCHRONE_SANITIZE})
endif()
if(ISOCHRONE_FUZZ)
  target_compile_options(isochrone_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
