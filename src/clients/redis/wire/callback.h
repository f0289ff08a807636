// clients/redis/wire/callback.h
//
// Once<Argument>: a function object that is called at most once and may hold what cannot be copied. What fits into 40 bytes lies
// inside it, so that a command in flight costs no allocation for its callback.
//
// Threads: a value; it may travel to another thread.
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace chaveiro::redis {

template <class Argument>
class Once {
 public:
  Once() = default;
  template <class Fn>
    requires(!std::is_same_v<std::remove_cvref_t<Fn>, Once> && std::is_invocable_v<Fn&, Argument>)
  Once(Fn&& fn) {
    using Held = std::remove_cvref_t<Fn>;
    if constexpr (fits<Held>()) {
      new (&place_) Held(std::forward<Fn>(fn));
      table_ = &inside<Held>;
    } else {
      new (&place_) Held*(new Held(std::forward<Fn>(fn)));
      table_ = &outside<Held>;
    }
  }
  Once(Once&& other) noexcept : table_(std::exchange(other.table_, nullptr)) {
    if (table_ != nullptr) table_->move(&other.place_, &place_);
  }
  Once& operator=(Once&& other) noexcept {
    if (this == &other) return *this;
    drop();
    table_ = std::exchange(other.table_, nullptr);
    if (table_ != nullptr) table_->move(&other.place_, &place_);
    return *this;
  }
  ~Once() { drop(); }

  explicit operator bool() const { return table_ != nullptr; }
  void operator()(Argument argument) {
    CHECK(table_ != nullptr);
    const Table* table = std::exchange(table_, nullptr);
    struct End {
      const Table* table;
      void* place;
      ~End() { table->destroy(place); }
    } end{table, &place_};
    table->call(&place_, std::forward<Argument>(argument));
  }

 private:
  static constexpr std::size_t room = 40;
  struct Table {
    void (*call)(void*, Argument);
    void (*move)(void* from, void* to);  // leaves nothing to destroy at `from`
    void (*destroy)(void*);
  };
  template <class Held>
  static constexpr bool fits() {
    return sizeof(Held) <= room && alignof(Held) <= alignof(std::max_align_t) &&
           std::is_nothrow_move_constructible_v<Held>;
  }
  template <class Held>
  static constexpr Table inside{
      [](void* at, Argument argument) { (*static_cast<Held*>(at))(std::forward<Argument>(argument)); },
      [](void* from, void* to) {
        new (to) Held(std::move(*static_cast<Held*>(from)));
        static_cast<Held*>(from)->~Held();
      },
      [](void* at) { static_cast<Held*>(at)->~Held(); }};
  template <class Held>
  static constexpr Table outside{
      [](void* at, Argument argument) { (**static_cast<Held**>(at))(std::forward<Argument>(argument)); },
      [](void* from, void* to) { new (to) Held*(*static_cast<Held**>(from)); },
      [](void* at) { delete *static_cast<Held**>(at); }};

  void drop() {
    if (table_ != nullptr) std::exchange(table_, nullptr)->destroy(&place_);
  }

  const Table* table_ = nullptr;
  alignas(std::max_align_t) std::byte place_[room];
};

}  // namespace chaveiro::redis
