#include "test/shards/thread_ranks.h"

#include <cstring>
#include <string>

#include "test/support/cases.h"

namespace onespike::test {

class ThreadRanks::End final : public Communicator {
 public:
  End(ThreadRanks& all, int rank) : all_(all), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return int(all_.ends_.size()); }

  Status broadcast(void* data, size_t bytes, int root) override {
    if (rank_ != root) return receive(root, data, bytes);
    for (int peer = 0; peer < size(); ++peer)
      if (peer != root) send(peer, data, bytes);
    return Status::success();
  }

  Status exchange(int peer, const void* sent, void* received, size_t bytes) override {
    send(peer, sent, bytes);
    return receive(peer, received, bytes);
  }

  Status barrier() override {
    Status status;
    char none = 0;
    for (int root = 0; status.ok() && root < size(); ++root) status = broadcast(&none, 1, root);
    return status;
  }

 private:
  void send(int peer, const void* data, size_t bytes) {
    Bytes copy(bytes);
    std::memcpy(copy.data(), data, bytes);
    const std::lock_guard lock(all_.mutex_);
    all_.sent_[{rank_, peer}].push(std::move(copy));
    all_.arrived_.notify_all();
  }

  Status receive(int peer, void* data, size_t bytes) {
    std::unique_lock lock(all_.mutex_);
    std::queue<Bytes>& box = all_.sent_[{peer, rank_}];
    if (!all_.arrived_.wait_for(lock, all_.deadline_, [&] { return !box.empty(); }))
      return Status::error(Code::kIo, "Expected rank " + std::to_string(peer) + " to answer");
    if (box.front().size() != bytes) return Status::error(Code::kIo, "Expected the same call on every rank");
    std::memcpy(data, box.front().data(), bytes);
    box.pop();
    return Status::success();
  }

  ThreadRanks& all_;
  int rank_;
};

ThreadRanks::ThreadRanks(int size, std::chrono::milliseconds deadline) : deadline_(deadline) {
  for (int rank = 0; rank < size; ++rank) ends_.push_back(std::make_unique<End>(*this, rank));
}

ThreadRanks::~ThreadRanks() = default;

void ThreadRanks::run(const std::function<void(Communicator&)>& body) {
  std::vector<std::function<void()>> bodies;
  for (const auto& end : ends_) bodies.push_back([&body, &end] { body(*end); });
  on_threads(bodies);
}

}  // namespace onespike::test
