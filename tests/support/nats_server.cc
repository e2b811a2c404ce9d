// SPDX-License-Identifier: Apache-2.0
#include "tests/support/nats_server.h"

#include <chrono>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

namespace isochrone::test {
namespace {

constexpr std::chrono::seconds kPatience{60};

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

NatsServer::NatsServer(const std::filesystem::path& folder, const std::string& more)
    : folder_(folder), more_(more) {
  start(-1);
}

std::string NatsServer::log() const { return text_of(folder_ / "log"); }

void NatsServer::start_again() { start(std::stoi(url_.substr(url_.rfind(':') + 1))); }

// The server writes which port it got once it serves.
bool NatsServer::start(int port) {
  const auto ports = folder_ / "ports";
  std::filesystem::remove_all(ports);
  std::filesystem::create_directories(ports);
  std::ofstream(folder_ / "conf") << "listen: \"127.0.0.1:" << port << "\"\nports_file_dir: \""
                                  << ports.string() << "\"\njetstream {store_dir: \""
                                  << (folder_ / "store").string() << "\"}\n"
                                  << more_;
  child_ = std::make_unique<Child>(
      std::vector<std::string>{"nats-server", "-c", (folder_ / "conf").string()},
      (folder_ / "log").string());
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    for (const auto& file : std::filesystem::directory_iterator(ports)) {
      const auto said = nlohmann::json::parse(text_of(file), nullptr, false);
      if (!said.is_object() || !said.contains("nats") || said["nats"].empty()) continue;
      url_ = said["nats"][0].get<std::string>();
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

void NatsServer::forget(const std::function<void()>& later) {
  const std::filesystem::path store = folder_ / "store";
  std::filesystem::path copy = folder_;
  copy += ".copy";
  kill();
  std::filesystem::copy(store, copy, std::filesystem::copy_options::recursive);
  start_again();
  later();
  kill();
  std::filesystem::remove_all(store);
  std::filesystem::rename(copy, store);
  start_again();
}

}  // namespace isochrone::test
