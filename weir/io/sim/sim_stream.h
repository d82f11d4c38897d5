// SimStream: what an owner holds of a SimConnection: one side of it.
#pragma once

#include "weir/io/sim/sim_connection.h"
#include "weir/io/stream.h"

namespace weir::io::sim {

class SimStream final : public Stream {
 public:
  SimStream(Ref<SimConnection> connection, int side) : connection_(std::move(connection)), side_(side) {}
  ~SimStream() override { connection_->close(side_); }
  SimStream(const SimStream&) = delete;
  SimStream& operator=(const SimStream&) = delete;

  std::optional<IoResult> start_read(std::span<char> into, Completion& completion) override {
    return connection_->start_read(side_, into, completion);
  }
  std::optional<IoResult> start_write(std::span<const std::string_view> pieces,
                                      Completion& completion) override {
    return connection_->start_write(side_, pieces, completion);
  }
  void abort() override { connection_->abort(side_); }
  std::string_view peer() const override { return connection_->peer(side_); }

 private:
  const Ref<SimConnection> connection_;
  const int side_;
};

}  // namespace weir::io::sim
