//! How long answers are kept, how many, and what happens when many ask at once.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Barrier, atomic::AtomicUsize, mpsc},
    thread,
};

use super::*;

type Texts = AnswerCache<u32, &'static str>;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(40);

fn answers(ttl: Duration, entries: usize) -> Texts {
    AnswerCache::new(CacheLimits { ttl, entries })
}

/// The answer for `key`, and whether the database was asked for it.
fn get(answers: &Texts, key: &[u8], answer: u32) -> (u32, bool) {
    let mut asked = false;
    let given = answers.get(
        key,
        || Holds::Nothing,
        || {
            asked = true;
            Ok(answer)
        },
    );
    (given.expect("an answer"), asked)
}

#[test]
fn an_answer_is_kept_for_its_time_and_no_longer() {
    let answers = answers(SHORT, 10);
    let start = Instant::now();
    assert_eq!(get(&answers, b"a", 1), (1, true));
    let again = get(&answers, b"a", 2);
    assert!(again == (1, false) || start.elapsed() >= SHORT, "{again:?}");
    thread::sleep(SHORT);
    assert_eq!(get(&answers, b"a", 3), (3, true));
}

#[test]
fn each_key_has_its_own_answer() {
    let answers = answers(LONG, 10);
    assert_eq!(get(&answers, b"a", 1), (1, true));
    assert_eq!(get(&answers, b"b", 2), (2, true));
    assert_eq!(get(&answers, b"", 3), (3, true));
    assert_eq!(get(&answers, b"a", 9), (1, false));
    assert_eq!(get(&answers, b"b", 9), (2, false));
    assert_eq!(get(&answers, b"", 9), (3, false));
    assert_eq!(answers.counts(), Counts { entries: 3, hits: 3, misses: 3, errors: 0 });
}

#[test]
fn without_a_time_each_one_asks() {
    let answers = answers(Duration::ZERO, 10);
    for n in 0..3 {
        assert_eq!(get(&answers, b"a", n), (n, true));
    }
    assert_eq!(answers.counts(), Counts { entries: 0, hits: 0, misses: 3, errors: 0 });
}

#[test]
fn a_failure_is_not_kept() {
    let answers = answers(LONG, 10);
    assert_eq!(answers.get(b"a", || Holds::Nothing, || Err("away")), Err("away"));
    assert_eq!(answers.counts(), Counts { entries: 0, hits: 0, misses: 1, errors: 1 });
    assert_eq!(get(&answers, b"a", 1), (1, true));
    assert_eq!(get(&answers, b"a", 2), (1, false));
}

#[test]
fn there_are_no_more_than_the_limit_and_the_oldest_goes() {
    let answers = answers(LONG, 3);
    for n in 0..100_u8 {
        assert_eq!(get(&answers, &[n], n.into()), (n.into(), true));
        assert!(answers.counts().entries <= 3);
    }
    for n in 97..100_u8 {
        assert_eq!(get(&answers, &[n], 0), (n.into(), false), "{n} is one of the last three");
    }
    assert_eq!(get(&answers, &[96], 0), (0, true));
    let state = answers.lock();
    assert!(state.ends.len() <= 3 && state.in_flight.is_empty());
}

#[test]
fn those_whose_time_is_over_leave_first() {
    let answers = answers(SHORT, 1000);
    for n in 0..100_u8 {
        get(&answers, &[n], 0);
    }
    thread::sleep(SHORT);
    get(&answers, b"a new one", 0);
    assert_eq!(answers.counts().entries, 1);
    assert_eq!(answers.lock().ends.len(), 1);
}

/// The same key over and over, as its time ends: nothing of the earlier ones stays behind.
#[test]
fn a_key_that_is_asked_again_takes_one_place() {
    let answers = answers(Duration::from_millis(1), 5);
    for n in 0..20 {
        get(&answers, b"a", n);
        thread::sleep(Duration::from_millis(1));
    }
    let state = answers.lock();
    assert!(state.answers.len() <= 1 && state.ends.len() <= 5, "{} ends", state.ends.len());
}

/// Starts `number` threads that need the same answer while one of them asks. `end` is what comes of the question.
fn wait_together(
    answers: &Texts,
    number: usize,
    end: impl FnOnce() -> Result<u32, &'static str> + Send,
) -> Vec<Result<u32, &'static str>> {
    let own = AtomicUsize::new(0);
    let (asking, is_asking) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let asked = catch_unwind(AssertUnwindSafe(|| {
                answers.get(
                    b"a",
                    || Holds::Nothing,
                    || {
                        asking.send(()).expect("the test waits");
                        may_go_on.recv().expect("the test goes on");
                        end()
                    },
                )
            }));
            drop(asked);
        });
        is_asking.recv().expect("it asks");
        let threads: Vec<_> = (0..number)
            .map(|_| {
                scope.spawn(|| {
                    answers.get(
                        b"a",
                        || Holds::Nothing,
                        || {
                            own.fetch_add(1, Ordering::Relaxed);
                            Ok(7)
                        },
                    )
                })
            })
            .collect();
        // Long enough for them to wait; where it is not, what they find is the same.
        thread::sleep(Duration::from_millis(30));
        assert_eq!(own.load(Ordering::Relaxed), 0, "one asks, the others wait");
        go_on.send(()).expect("it waits");
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

#[test]
fn one_asks_and_the_others_wait() {
    let answers = answers(LONG, 10);
    assert_eq!(wait_together(&answers, 8, || Ok(1)), [Ok(1); 8]);
    assert_eq!(answers.counts(), Counts { entries: 1, hits: 8, misses: 1, errors: 0 });
}

#[test]
fn those_who_waited_learn_of_the_failure_and_the_next_one_asks() {
    let answers = answers(LONG, 10);
    let told = wait_together(&answers, 8, || Err("away"));
    assert!(told.contains(&Err("away")) && told.iter().all(|r| matches!(r, Err("away") | Ok(7))), "{told:?}");
    assert_eq!(get(&answers, b"a", 7).0, 7);
}

#[test]
fn where_the_one_who_asks_panics_another_one_asks() {
    let answers = answers(LONG, 10);
    assert_eq!(wait_together(&answers, 8, || panic!("on purpose")), [Ok(7); 8]);
    assert!(answers.lock().in_flight.is_empty());
    assert_eq!(answers.counts().misses, 2);
}

#[test]
fn an_answer_that_took_longer_than_its_time_serves_nobody_else() {
    let answers = answers(Duration::from_millis(10), 10);
    // The question takes 30 ms and more.
    assert_eq!(wait_together(&answers, 1, || Ok(1)), [Ok(7)]);
}

/// The one who asks waits for what the second one holds, and gets it only when that one is done.
#[test]
fn who_holds_something_never_waits_for_another_ones_answer() {
    let answers = answers(LONG, 10);
    let (give, given) = mpsc::channel();
    let (asking, is_asking) = mpsc::channel();
    thread::scope(|scope| {
        let answers = &answers;
        let first = scope.spawn(move || {
            answers.get(
                b"a",
                || Holds::Nothing,
                || {
                    asking.send(()).expect("the test waits");
                    given.recv_timeout(LONG).map_err(|_| "never given")
                },
            )
        });
        is_asking.recv().expect("it asks");
        assert_eq!(answers.get(b"a", || Holds::Something, || Ok(2)), Ok(2));
        give.send(1).expect("it waits");
        assert_eq!(first.join().expect("no panic"), Ok(1));
    });
    assert_eq!(answers.counts(), Counts { entries: 1, hits: 0, misses: 2, errors: 0 });
    assert_eq!(get(&answers, b"a", 9), (1, false));
    assert_eq!(answers.get(b"a", || panic!("an answer is kept"), || Ok(9)), Ok(1));
}

#[test]
fn nobody_waits_for_ever() {
    let answers = AnswerCache { patience: SHORT, ..answers(LONG, 10) };
    let (end, may_end) = mpsc::channel();
    let (asking, is_asking) = mpsc::channel();
    thread::scope(|scope| {
        let answers = &answers;
        scope.spawn(move || {
            answers.get(
                b"a",
                || Holds::Nothing,
                || {
                    asking.send(()).expect("the test waits");
                    may_end.recv().map_err(|_| "never ended")
                },
            )
        });
        is_asking.recv().expect("it asks");
        assert_eq!(answers.get(b"a", || Holds::Nothing, || Ok(2)), Ok(2));
        end.send(1).expect("it waits");
    });
}

#[test]
fn nobody_gets_the_answer_of_another_key() {
    let answers = answers(Duration::from_millis(2), 16);
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for offset in 0..4_usize {
            let (answers, barrier) = (&answers, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for n in 0..20_000_usize {
                    let key = (n * 7 + offset) % 40;
                    let given = answers.get(
                        &key.to_le_bytes(),
                        || Holds::Nothing,
                        || if n % 97 == 0 { Err("away") } else { Ok(key as u32) },
                    );
                    assert!(given == Ok(key as u32) || given == Err("away"), "{given:?} for {key}");
                }
            });
        }
    });
    assert!(answers.counts().entries <= 16);
}
