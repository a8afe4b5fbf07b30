//! The table against a plain list, and what is made in vain under any number of contexts.

use super::*;

/// More than rest in any test.
const MANY: usize = usize::MAX;

/// Serves one request: by a resting worker (`true`), by one that is made and kept, or by none that is.
fn serve(kept: &mut RestingWorkers<u64>, key: u64, max: usize) -> (bool, bool) {
    let hash = spread(key);
    if kept.take(hash, |worker| *worker == key).is_some() {
        kept.used(max);
        assert_eq!(kept.rest(hash, key, max), None, "it left a place");
        return (true, false);
    }
    let made = kept.admit(hash, max) != Admission::Refused;
    if made {
        assert_eq!(kept.rest(hash, key, max), None, "there was a place for it");
    }
    (false, made)
}

fn spread(key: u64) -> u64 {
    (key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (key >> 3)
}

/// Numbers without a pattern, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

#[test]
fn the_one_that_came_last_is_taken_first_and_each_key_has_its_own() {
    let mut kept = RestingWorkers::new();
    for (hash, worker) in [(1, 'a'), (2, 'b'), (1, 'c'), (1, 'd')] {
        assert_eq!(kept.rest(hash, worker, MANY), None);
    }
    assert_eq!(kept.resting(), 4);
    assert_eq!(kept.take(1, |_| true), Some('d'));
    assert_eq!(kept.take(1, |&w| w == 'a'), Some('a'), "another key may have the same hash");
    assert_eq!(kept.take(3, |_| true), None);
    assert_eq!(kept.end_if(|&w| w == 'x'), []);
    assert_eq!(kept.end_if(|&w| w == 'b'), ['b']);
    assert_eq!(kept.take(2, |_| true), None);
    assert_eq!(kept.rest(2, 'e', MANY), None);
    assert_eq!(kept.end_if(|_| true), ['c', 'e']);
    assert_eq!((kept.resting(), kept.take(1, |_| true)), (0, None));
}

/// Whatever is done, it is as with a list that is searched.
#[test]
fn it_is_a_list_that_needs_no_search() {
    let (mut kept, mut list, mut numbers) =
        (RestingWorkers::new(), Vec::<(u64, u64)>::new(), Numbers(88_172_645));
    for worker in 0..20_000 {
        let hash = numbers.below(17);
        match numbers.below(60) {
            0..=27 => {
                let max = if numbers.below(4) == 0 { list.len().max(1) } else { MANY };
                let in_the_way = kept.rest(hash, worker, max);
                assert_eq!(in_the_way, (list.len() >= max).then(|| list.remove(0).1));
                list.push((hash, worker));
            }
            28..=57 => {
                let odd = numbers.below(2);
                let wanted = |w: &u64| w % 2 == odd;
                let place = list.iter().rposition(|(h, w)| *h == hash && wanted(w));
                assert_eq!(kept.take(hash, wanted), place.map(|place| list.remove(place).1));
            }
            _ => {
                let part = numbers.below(3);
                let ended: Vec<_> = list.extract_if(.., |(_, w)| *w % 3 == part).map(|(_, w)| w).collect();
                assert_eq!(kept.end_if(|w| w % 3 == part), ended);
            }
        }
        assert_eq!(kept.resting(), list.len());
    }
    assert!(kept.entries.len() < 20_000 / 2, "places are used again");
}

/// Contexts that come once and never again leave nothing behind.
#[test]
fn hashes_of_which_nobody_rests_are_forgotten() {
    let mut kept = RestingWorkers::new();
    for key in 0..10_000 {
        assert_eq!(kept.rest(spread(key), key, MANY), None);
        assert_eq!(kept.take(spread(key), |_| true), Some(key));
    }
    assert!(kept.newest_of.len() <= SPARE + 3, "{}", kept.newest_of.len());
}

#[test]
fn who_fits_in_is_kept_at_once() {
    let mut kept = RestingWorkers::new();
    for key in 0..64 {
        assert_eq!(serve(&mut kept, key, 64), (false, true));
    }
    for key in 0..64 {
        assert_eq!(serve(&mut kept, key, 64), (true, false));
    }
}

#[test]
fn a_newcomer_displaces_only_one_that_rests_longer_than_it_was_away() {
    let mut kept = RestingWorkers::new();
    assert_eq!(serve(&mut kept, 1, 1), (false, true));
    (0..COST).for_each(|_| assert!(serve(&mut kept, 1, 1).0));
    assert_eq!(serve(&mut kept, 2, 1), (false, false), "never seen before");
    assert_eq!(serve(&mut kept, 2, 1), (false, true), "seen since the other one was used");
    assert_eq!(serve(&mut kept, 2, 1), (true, false));
    (0..COST).for_each(|_| assert!(serve(&mut kept, 2, 1).0));
    // In turn, nobody's worker ends for the other's.
    assert_eq!(serve(&mut kept, 1, 1), (false, false));
    for _ in 0..1000 {
        assert_eq!(serve(&mut kept, 2, 1), (true, false));
        assert_eq!(serve(&mut kept, 1, 1), (false, false));
    }
}

/// Where all places are taken, a worker that comes to rest takes that of the one that has rested longest.
#[test]
fn no_more_rest_than_allowed() {
    let mut kept = RestingWorkers::new();
    for key in 0..10 {
        assert_eq!(kept.admit(spread(key), 4), Admission::Granted, "none rests yet");
    }
    let ended: Vec<_> = (0..10).filter_map(|key| kept.rest(spread(key), key, 4)).collect();
    assert_eq!((ended, kept.resting()), (vec![0, 1, 2, 3, 4, 5], 4));
}

/// However many workers of one context are at work and do not come back, another context is served by resting ones.
#[test]
fn those_that_hang_take_no_place() {
    let mut kept = RestingWorkers::new();
    let at_work = (0..100).filter(|_| kept.admit(spread(1), 4) == Admission::Granted).count();
    assert_eq!(at_work, AT_LEAST, "as many as there was credit for");
    for _ in 0..COST {
        serve(&mut kept, 2, 4);
    }
    assert_eq!(serve(&mut kept, 2, 4), (true, false));
}

/// Workers that end after each request (a limit, a fault) are made again only as far as that is paid for.
#[test]
fn what_is_never_used_again_is_made_seldom() {
    let mut kept = RestingWorkers::<u64>::new();
    let made = (0..100 * COST).filter(|_| kept.admit(1, 4) != Admission::Refused).count();
    assert!((100..=100 + AT_LEAST + 1).contains(&made), "{made}");
}

/// Of `requests` for `contexts` keys at random, which share is served by resting workers, and which share is made
/// to be kept.
fn at_random(contexts: u64, max: usize, requests: u32) -> (f64, f64) {
    let (mut kept, mut numbers) = (RestingWorkers::new(), Numbers(contexts + 4711));
    let (mut hits, mut made) = (0, 0);
    for _ in 0..requests {
        let (hit, new) = serve(&mut kept, numbers.below(contexts), max);
        hits += u32::from(hit);
        made += u32::from(new);
        assert!(kept.resting() <= max);
    }
    (f64::from(hits) / f64::from(requests), f64::from(made) / f64::from(requests))
}

#[test]
fn what_is_made_in_vain_is_bounded_whatever_the_number_of_contexts() {
    for contexts in [65, 100, 1000, 5000, 100_000, 10_000_000] {
        let (hits, made) = at_random(contexts, 64, 200_000);
        // What hits pay for, a hundredth of the rest, and the set of workers at the start.
        let most = 0.01 + hits * 0.04 + 64.0 / 200_000.0;
        assert!(made <= most, "{contexts} contexts: {made} made, {hits} served by resting ones");
        assert!(hits >= 0.7 * (64.0 / contexts as f64).min(1.0), "{contexts} contexts: only {hits}");
    }
}

#[test]
fn where_all_fit_in_nearly_all_are_served_by_resting_workers() {
    let (hits, _) = at_random(1000, 2000, 200_000);
    assert!(hits > 0.99, "{hits}");
}

/// Who is busy comes to have a worker, though others had all places before.
#[test]
fn the_busy_ones_take_the_places_of_those_who_left() {
    let (mut kept, mut numbers) = (RestingWorkers::new(), Numbers(99));
    for key in 0..64 {
        serve(&mut kept, key, 64);
    }
    let busy =
        |kept: &mut RestingWorkers<u64>, numbers: &mut Numbers| serve(kept, 1000 + numbers.below(32), 64).0;
    for _ in 0..32 * COST {
        busy(&mut kept, &mut numbers);
    }
    assert!((0..1000).all(|_| busy(&mut kept, &mut numbers)));
}
