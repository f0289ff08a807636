#include "limits/store.h"

namespace chaveiro::limits {

const Decision* Verdict::tightest(std::span<const Ask> asks) const {
  const Decision* found = nullptr;
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    if (asks[i].weight == Weight::shadow) continue;
    const Decision& it = decisions[i];
    const bool tighter = found == nullptr || (found->allowed && !it.allowed) ||
                         (found->allowed == it.allowed &&
                          (it.allowed ? it.remaining < found->remaining : it.retry_after > found->retry_after));
    if (tighter) found = &it;
  }
  return found;
}

}  // namespace chaveiro::limits
