//! The policy that requests meet: ordered rules, what they are made from, and the decision.

pub mod answer_cache;
pub mod database;
pub mod decide;
pub mod facts;
pub mod live_map;
pub mod prepared_map;
#[cfg(test)]
mod stand_in;
pub mod supplied;
pub mod transition_map;
