// Ranks that are threads of one process.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <queue>
#include <utility>
#include <vector>

#include "core/comm/communicator.h"

namespace onespike::test {

class ThreadRanks {
 public:
  // A call waits so long for a silent rank.
  explicit ThreadRanks(int size, std::chrono::milliseconds deadline = std::chrono::seconds(20));
  ~ThreadRanks();

  Communicator& operator[](int rank) { return *ends_[size_t(rank)]; }
  // Runs body(rank) for every rank at the same time, and throws what one of them threw.
  void run(const std::function<void(Communicator&)>& body);

 private:
  class End;
  using Bytes = std::vector<std::byte>;

  std::vector<std::unique_ptr<Communicator>> ends_;
  std::chrono::milliseconds deadline_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::pair<int, int>, std::queue<Bytes>> sent_;  // by sender and receiver; guarded by mutex_
};

}  // namespace onespike::test
