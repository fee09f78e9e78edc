#pragma once

namespace gloo {
namespace transport {
class UnboundBuffer {
  public:
    virtual ~UnboundBuffer();
};
} // namespace transport
} // namespace gloo
