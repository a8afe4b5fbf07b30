use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use super::*;

fn memory() -> Vec<AtomicU64> {
    (0..Tally::WORDS).map(|_| AtomicU64::new(0)).collect()
}

#[test]
fn a_name_has_one_number_whoever_asks_first() {
    let memory = memory();
    let labels = Tally::over(&memory).expect("memory").labels;
    let name = |n: usize| format!("selinux:system_u:system_r:httpd_app_t:s0:c{n},c{}", n + 1);
    let all: Vec<Vec<_>> = thread::scope(|scope| {
        let ask = || (0..500).map(|n| labels.intern(name(n).as_bytes()).expect("room")).collect();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(all.iter().all(|numbers| *numbers == all[0]));
    assert_eq!(all[0].iter().collect::<HashSet<_>>().len(), 500);
    for (n, label) in all[0].iter().enumerate() {
        assert_eq!(labels.text(*label), name(n));
    }
    assert_eq!(labels.text(Label::NONE), "-");
    assert_eq!(labels.text(Label::from_number(u32::MAX)), "-");
}

#[test]
fn names_end_where_the_room_ends() {
    let memory = memory();
    let labels = Tally::over(&memory).expect("memory").labels;
    let long = |n: usize| format!("{n:0>600}");
    let first = labels.intern(long(1).as_bytes()).expect("room");
    assert_eq!(labels.text(first).len(), 512, "cut");
    let all: Vec<_> = (0..4000).map(|n| labels.intern(format!("{n:0>500}").as_bytes())).collect();
    let given = all.iter().flatten().count();
    assert!((1000..4000).contains(&given), "{given}");
    assert_eq!(labels.intern(long(1).as_bytes()), Some(first), "what is there stays");
}

#[test]
fn counts_of_many_threads_add_up_and_rows_end_at_the_limit() {
    let memory = memory();
    let tally = Tally::over(&memory).expect("memory");
    tally.rows.set_limit(10);
    let count = || {
        for n in 0..2000_u32 {
            let row = tally.rows.find(Label::from_number(1 + n % 2), Label::from_number(n % 8));
            tally.rows.add(row, 2);
            tally.rows.moved(row, 1500);
        }
    };
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(count))));
    let states: Vec<_> = tally.rows.states().collect();
    assert_eq!(states.iter().map(|row| row.outcomes[2]).sum::<u64>(), 8000);
    assert_eq!(states.iter().map(|row| row.buckets[2]).sum::<u64>(), 8000, "between 1 and 2 us");
    assert_eq!(states.iter().map(|row| row.time).sum::<u64>(), 8000 * 1500);
    assert!(states[0].is_other && states.iter().filter(|row| row.is_other).count() == 1);
    let keys: HashSet<_> = states[1..].iter().map(|row| (row.host, row.context)).collect();
    assert_eq!(keys.len(), states.len() - 1, "no pair has two rows");
    assert_eq!((tally.rows.used(), keys.len()), (8, 8), "8 pairs, under the limit, and none in vain");
    for n in 0..100 {
        let row = tally.rows.find(Label::from_number(7), Label::from_number(100 + n));
        assert_eq!(row == Row::OTHER, n >= 2);
        tally.rows.add(row, 0);
    }
    assert_eq!((tally.rows.used(), tally.rows.get(Row::OTHER, 0)), (10, 98));
    tally.rows.add(Row::OTHER, OUTCOMES);
    assert_eq!(tally.rows.get(Row::OTHER, OUTCOMES), 0);
}

#[test]
fn a_time_is_counted_at_the_first_bound_that_holds_it() {
    let memory = memory();
    let rows = Tally::over(&memory).expect("memory").rows;
    for (time, bucket) in [(0, 0), (500, 0), (501, 1), (10_000_000, 11), (10_000_001, 12), (u64::MAX / 4, 12)]
    {
        let before = rows.states().next().expect("other").buckets[bucket];
        rows.moved(Row::OTHER, time);
        assert_eq!(rows.states().next().expect("other").buckets[bucket], before + 1, "{time}");
    }
}

fn refusal(line: &str) -> NewRefusal<'_> {
    let (host, context) = (Label::from_number(3), Label::NONE);
    NewRefusal {
        time: 5,
        outcome: 7,
        reported_only: true,
        status: 403,
        host,
        context,
        line,
        reason: "why; what",
    }
}

#[test]
fn the_last_refusals_are_kept_newest_first() {
    let memory = memory();
    let ring = Tally::over(&memory).expect("memory").refusals;
    assert!(ring.last().is_empty());
    for n in 0..100 {
        ring.keep(&refusal(&format!("line {n}")));
    }
    let last = ring.last();
    assert_eq!((ring.number(), last.len()), (100, 64));
    assert_eq!((&*last[0].line, &*last[63].line, &*last[0].reason), ("line 99", "line 36", "why; what"));
    assert_eq!((last[0].outcome, last[0].status, last[0].reported_only), (7, 403, true));
    ring.keep(&refusal(&"\u{e4}".repeat(1000)));
    let cut = &ring.last()[0].line;
    assert!(cut.len() <= 1408 && cut.chars().all(|c| c == '\u{e4}'), "{} bytes", cut.len());
}

#[test]
fn what_does_not_fit_together_is_not_shown() {
    let memory = memory();
    let tally = Tally::over(&memory).expect("memory");
    tally.refusals.keep(&refusal("a line of a request"));
    assert_eq!(tally.refusals.last().len(), 1);
    let text =
        memory.iter().find(|word| word.load(Ordering::Relaxed).to_le_bytes() == *b"a line o").expect("it");
    text.store(u64::from_le_bytes(*b"b line o"), Ordering::Relaxed);
    assert!(tally.refusals.last().is_empty());
}

#[test]
fn writers_of_one_ring_mix_nothing() {
    let memory = memory();
    let ring = Tally::over(&memory).expect("memory").refusals;
    thread::scope(|scope| {
        for writer in 0..4 {
            scope.spawn(move || {
                let line = format!("{writer}").repeat(900);
                (0..2000).for_each(|_| ring.keep(&refusal(&line)));
            });
        }
        for _ in 0..200 {
            for seen in ring.last() {
                assert!(seen.line.bytes().all(|b| b == seen.line.as_bytes()[0]) && seen.line.len() == 900);
            }
        }
    });
    assert_eq!(ring.number(), 8000);
}

/// Whatever stands in the memory, reading it ends well.
#[test]
fn memory_of_any_content_can_be_read() {
    let mut state = 1_u64;
    let noise = |state: &mut u64| {
        *state = text::spread(state.wrapping_add(0x9e37_79b9));
        AtomicU64::new(*state)
    };
    let memory: Vec<AtomicU64> = (0..Tally::WORDS).map(|_| noise(&mut state)).collect();
    let tally = Tally::over(&memory).expect("memory");
    tally.refusals.keep(&refusal("x"));
    assert!(tally.rows.limit() <= MOST_ROWS as u64);
    let _ = tally.labels.intern(b"x").map(|label| tally.labels.text(label));
    let _ = tally.labels.text(Label::from_number(12));
    tally.rows.add(tally.rows.find(Label::from_number(9), Label::NONE), 1);
    assert!(tally.rows.states().count() <= MOST_ROWS + 1);
    assert_eq!(tally.refusals.last().len(), 1);
    assert!(tally.children.states().len() <= 4096);
    assert!(
        tally.sources.map_news(5).is_some_and(|news| news.error.is_none_or(|(_, text)| text.len() < 2000))
    );
}

#[test]
fn a_process_has_a_row_until_it_ends() {
    let memory = memory();
    let children = Tally::over(&memory).expect("memory").children;
    let first = children.enter(100, 1).expect("a row");
    let second = children.enter(200, 2).expect("a row");
    first.in_flight().fetch_add(2, Ordering::Relaxed);
    second.resting().fetch_add(1, Ordering::Relaxed);
    second.map(0).expect("a map").store(9, Ordering::Relaxed);
    assert!(second.map(1000).is_none() && second.entries(1000).is_none());
    let states = children.states();
    assert_eq!(
        states.iter().map(|child| (child.process, child.in_flight)).collect::<Vec<_>>(),
        [(100, 2), (200, 0)]
    );
    assert_eq!((states[1].resting, states[1].maps[0], states[1].configuration), (1, 9, 2));
    children.leave(100);
    let third = children.enter(300, 2).expect("a row");
    assert_eq!(third.in_flight().load(Ordering::Relaxed), 0, "nothing of the one before");
    assert_eq!(children.states().len(), 2);
}

#[test]
fn a_map_tells_of_its_own_configuration_alone() {
    let memory = memory();
    let tally = Tally::over(&memory).expect("memory");
    let read = MapNews { sight: 1, generation: 1, rules: 10, since: 1000, error: None };
    tally.sources.map_read(3, 2, &read);
    assert_eq!(tally.sources.map_news(3), Some(read));
    tally.sources.map_changed(3, 2, |news| news.error = Some((2000, "m:3: no ruleset".to_owned())));
    tally.sources.map_changed(3, 1, |news| news.rules = 0);
    let news = tally.sources.map_news(3).expect("a map");
    assert_eq!((news.rules, news.error), (10, Some((2000, "m:3: no ruleset".to_owned()))));
    assert_eq!(tally.sources.map_news(5000), None);
    tally.sources.database(0, 1).expect("a row").hits.fetch_add(1, Ordering::Relaxed);
    tally.sources.forget_databases(2);
    let hits =
        |configuration| tally.sources.database(0, configuration).expect("a row").hits.load(Ordering::Relaxed);
    assert_eq!((hits(1), hits(2)), (1, 0));
    assert_eq!((tally.configured(50), tally.configured(60)), (1, 2));
    assert_eq!((tally.counted_since(), tally.configured_since(), tally.configuration()), (50, 60, 2));
}
