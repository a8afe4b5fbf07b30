//! The way from the answering thread to the judging thread. All its memory is allocated beforehand, so to send
//! allocates nothing.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Values that go round. A value is free, is filled by one thread, and is used by the other thread.
pub(super) struct Ring<T> {
    places: Box<[Mutex<T>]>,
    order: Mutex<Order>,
    filled: Condvar,
    freed: Condvar,
}

struct Order {
    free: VecDeque<usize>,
    full: VecDeque<usize>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Ring<T> {
    pub(super) fn new(size: usize, make: impl Fn() -> T) -> Self {
        let order = Order { free: (0..size).collect(), full: VecDeque::with_capacity(size) };
        Self {
            places: (0..size).map(|_| Mutex::new(make())).collect(),
            order: Mutex::new(order),
            filled: Condvar::new(),
            freed: Condvar::new(),
        }
    }

    /// Waits for a free place, for `patience` at most, and fills it. If `fill` says so, it is sent. The result says
    /// whether there was a free place.
    pub(super) fn send(&self, patience: Duration, fill: impl FnOnce(&mut T) -> bool) -> bool {
        let order = locked(&self.order);
        let waited = self.freed.wait_timeout_while(order, patience, |order| order.free.is_empty());
        let (mut order, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let Some(place) = order.free.pop_front() else { return false };
        drop(order);
        let sent = fill(&mut locked(&self.places[place]));
        let mut order = locked(&self.order);
        if sent {
            order.full.push_back(place);
            self.filled.notify_one();
        } else {
            order.free.push_back(place);
        }
        true
    }

    /// Waits for a filled place, for `patience` at most, and uses it.
    pub(super) fn receive(&self, patience: Duration, use_it: impl FnOnce(&mut T)) {
        let order = locked(&self.order);
        let waited = self.filled.wait_timeout_while(order, patience, |order| order.full.is_empty());
        let (mut order, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let Some(place) = order.full.pop_front() else { return };
        drop(order);
        use_it(&mut locked(&self.places[place]));
        locked(&self.order).free.push_back(place);
        self.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_in_order_and_a_full_ring_says_so() {
        let ring = Ring::new(2, || 0);
        let soon = Duration::from_millis(1);
        for value in [1, 2] {
            assert!(ring.send(soon, |place| {
                *place = value;
                true
            }));
        }
        assert!(!ring.send(soon, |_| panic!("no place is free")));
        let mut got = Vec::new();
        ring.receive(soon, |value| got.push(*value));
        assert!(ring.send(soon, |_| false), "nothing is sent, and the place is free again");
        ring.receive(soon, |value| got.push(*value));
        ring.receive(soon, |_| panic!("nothing is left"));
        assert_eq!(got, [1, 2]);
    }
}
