# SPDX-License-Identifier: Apache-2.0
#
# Every library from outside, as an imported target. docs/dependencies.md says why each is here.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ldns REQUIRED IMPORTED_TARGET ldns)
pkg_check_modules(libuv REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(libmaxminddb REQUIRED IMPORTED_TARGET libmaxminddb)
pkg_check_modules(microhttpd REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(gnutls REQUIRED IMPORTED_TARGET gnutls)
pkg_check_modules(libbpf REQUIRED IMPORTED_TARGET libbpf)
pkg_check_modules(libxdp REQUIRED IMPORTED_TARGET libxdp)
pkg_check_modules(fstrm REQUIRED IMPORTED_TARGET libfstrm)
pkg_check_modules(libcap REQUIRED IMPORTED_TARGET libcap)
pkg_check_modules(libnats REQUIRED IMPORTED_TARGET libnats)
pkg_check_modules(libseccomp REQUIRED IMPORTED_TARGET libseccomp)  # tests
pkg_check_modules(clp REQUIRED IMPORTED_TARGET clp)                # tests
find_package(CURL REQUIRED)          # CURL::libcurl
find_package(OpenSSL REQUIRED)       # OpenSSL::Crypto
find_package(ZLIB REQUIRED)          # ZLIB::ZLIB
find_package(Boost 1.74 REQUIRED)    # Boost::headers (Accumulators)
find_package(tl-expected REQUIRED)   # tl::expected
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)         # CLI11::CLI11
find_package(fmt REQUIRED)           # fmt::fmt
find_package(spdlog REQUIRED)        # spdlog::spdlog
find_package(nlohmann_json REQUIRED) # nlohmann_json::nlohmann_json
find_package(Protobuf REQUIRED)      # protobuf::libprotobuf
find_package(RocksDB REQUIRED)       # RocksDB::rocksdb-shared
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(GTest REQUIRED)         # GTest::gtest_main, GTest::gmock
find_package(benchmark REQUIRED)     # benchmark::benchmark_main
