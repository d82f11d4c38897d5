// A doubly linked list whose links live in its members: no allocation, O(1) unlink by the member itself.
// A member is in at most one list; it unlinks itself when destroyed. Not thread-safe.
#pragma once

namespace weir {

class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  bool linked() const { return next_ != this; }
  void unlink() {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = this;
  }

 private:
  template <class T>
  friend class IntrusiveList;
  void link_before(ListNode& at) {
    prev_ = at.prev_;
    next_ = &at;
    prev_->next_ = this;
    at.prev_ = this;
  }
  ListNode* prev_ = this;
  ListNode* next_ = this;
};

/// T derives from ListNode. Destroying the list leaves its members unlinked.
template <class T>
class IntrusiveList {
 public:
  IntrusiveList() = default;
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    while (!empty())
      pop_front();
  }

  bool empty() const { return !head_.linked(); }
  void push_back(T& item) { as_node(item).link_before(head_); }
  void push_front(T& item) { as_node(item).link_before(*head_.next_); }
  T& front() { return static_cast<T&>(*head_.next_); }
  T& back() { return static_cast<T&>(*head_.prev_); }
  T& pop_front() {
    T& item = front();
    as_node(item).unlink();
    return item;
  }
  /// Moves every member of `other` to the end of this list.
  void splice(IntrusiveList& other) {
    while (!other.empty())
      push_back(other.pop_front());
  }

 private:
  static ListNode& as_node(T& item) { return item; }
  ListNode head_;
};

}  // namespace weir
