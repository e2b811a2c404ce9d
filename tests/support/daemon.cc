// SPDX-License-Identifier: Apache-2.0
#include "tests/support/daemon.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace isochrone::test {
namespace {

struct Pipe {
  Fd read;
  Fd write;
};

Pipe make_pipe() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

// Starts the program with the given descriptors as 0, 1 and 2.
pid_t spawn(const std::vector<std::string>& arguments, int in, int out, int err,
            const std::function<void()>& prepare = {}) {
  std::vector<char*> argv;
  static const std::string binary = ISOCHRONE_BINARY;
  argv.push_back(const_cast<char*>(binary.c_str()));
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  if (prepare) prepare();
  ::execv(binary.c_str(), argv.data());
  ::_exit(127);
}

// Appends what is there within `wait`; false at the end of the stream.
bool read_some(const Fd& from, std::string& to, std::chrono::milliseconds wait) {
  pollfd waiting{from.get(), POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(wait.count())) <= 0) return true;
  std::array<char, 4096> bytes;
  const auto size = ::read(from.get(), bytes.data(), bytes.size());
  if (size <= 0) return false;
  to.append(bytes.data(), static_cast<std::size_t>(size));
  return true;
}

int status_of(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -WTERMSIG(wait_status);
}

}  // namespace

Daemon::Daemon(const std::string& config, const std::function<void()>& prepare)
    : Daemon(config, {"run"}, prepare) {}

Daemon::Daemon(const std::string& config, std::vector<std::string> command,
               const std::function<void()>& prepare) {
  command.insert(command.end(), {"--config", config});
  Pipe pipe = make_pipe();
  const Fd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  pid_ = spawn(command, nothing.get(), nothing.get(), pipe.write.get(), prepare);
  EXPECT_GT(pid_, 0);
  output_ = std::move(pipe.read);
}

Daemon::~Daemon() {
  if (pid_ <= 0) return;
  kill();
  // A child that a sanitizer ended has its report in the log.
  if (testing::Test::HasFailure()) std::fprintf(stderr, "%s", log().c_str());
}

void Daemon::read_more(std::chrono::milliseconds wait) { read_some(output_, log_, wait); }

const std::string& Daemon::log() {
  std::size_t before = 0;
  do {
    before = log_.size();
    read_more(std::chrono::milliseconds(0));
  } while (log_.size() != before);
  return log_;
}

bool Daemon::hears(std::string_view text) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    const auto at = log_.find(text, heard_);
    const auto end = at == std::string::npos ? at : log_.find('\n', at);
    if (end != std::string::npos) {
      if (text == " ready ") ready_ = log_.substr(at, end - at);
      heard_ = end;
      return true;
    }
    if (std::chrono::steady_clock::now() > deadline) return false;
    if (!read_some(output_, log_, std::chrono::milliseconds(100))) return false;
  }
}

Endpoint Daemon::endpoint(std::string_view role) const {
  const std::string key = " " + std::string(role) + "=";
  const auto at = ready_.find(key);
  if (at == std::string::npos) {
    ADD_FAILURE() << "no " << role << " in: " << ready_;
    return {};
  }
  const auto from = at + key.size();
  const auto end = ready_.find_first_of(" ,", from);
  const auto endpoint = Endpoint::parse(ready_.substr(from, end - from));
  EXPECT_TRUE(endpoint.has_value()) << ready_;
  return endpoint.value_or(Endpoint{});
}

std::string Daemon::collector_url() const {
  return "http://127.0.0.1:" + std::to_string(endpoint("collector").port);
}

void Daemon::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

int Daemon::ended() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (pid_ > 0) {
    int status = 0;
    read_more(std::chrono::milliseconds(10));
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return status_of(status);
    }
    if (std::chrono::steady_clock::now() > deadline) break;
  }
  return -1000;
}

void Daemon::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
}

Finished isochrone(std::vector<std::string> arguments, std::string_view input,
                   const std::function<void()>& prepare) {
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  // Inputs of tests fit the pipe's 64 KiB, so that writing all of it first cannot block.
  EXPECT_LE(input.size(), 60'000U);
  const pid_t child = spawn(arguments, in.read.get(), out.write.get(), err.write.get(), prepare);
  EXPECT_EQ(::write(in.write.get(), input.data(), input.size()),
            static_cast<ssize_t>(input.size()));
  in.write.reset();
  out.write.reset();
  err.write.reset();
  Finished finished;
  bool has_out = true;
  bool has_err = true;
  while (has_out || has_err) {
    std::array<pollfd, 2> waiting{
        {{has_out ? out.read.get() : -1, POLLIN, 0}, {has_err ? err.read.get() : -1, POLLIN, 0}}};
    ::poll(waiting.data(), waiting.size(), -1);
    if (waiting[0].revents != 0) {
      has_out = read_some(out.read, finished.out, std::chrono::milliseconds(0));
    }
    if (waiting[1].revents != 0) {
      has_err = read_some(err.read, finished.err, std::chrono::milliseconds(0));
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  finished.status = status_of(status);
  return finished;
}

}  // namespace isochrone::test
