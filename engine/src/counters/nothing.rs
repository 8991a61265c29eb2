//! Counters that count nothing, for an engine without the feature `metrics`: no memory and no instructions.

use http::StatusCode;
use ringlane_pool::Counts;

use crate::context::Clock;
use crate::event::Event;

/// One core's counters, for other threads: there are none.
#[derive(Clone, Default)]
pub(crate) struct Tally(());

/// A core's own end of its counters.
#[derive(Default)]
pub(crate) struct Counters(());

/// When a request began: nobody asks.
#[derive(Clone, Copy, Default)]
pub(crate) struct Began(());

#[expect(clippy::unused_self, reason = "the same methods as of counters that count")]
impl Counters {
    pub(crate) fn new(_tally: Tally) -> Counters {
        Counters::default()
    }

    #[inline(always)]
    pub(crate) fn begin(&self, _clock: &Clock) -> Began {
        Began::default()
    }

    #[inline(always)]
    pub(crate) fn count_response(&mut self, _status: StatusCode, _began: &mut Began, _clock: &Clock) {}

    #[inline(always)]
    pub(crate) fn settle_answered(&mut self, _clock: &Clock) {}

    #[inline(always)]
    pub(crate) fn count_received(&self, _bytes: usize) {}

    #[inline(always)]
    pub(crate) fn count_sent(&self, _bytes: usize) {}

    #[inline(always)]
    pub(crate) fn count_sent_at_once(&mut self, _bytes: usize) {}

    #[inline(always)]
    pub(crate) fn take_unsent(&mut self, _bytes: usize) {}

    #[inline(always)]
    pub(crate) fn settle_sent_at_once(&mut self) {}

    #[inline(always)]
    pub(crate) fn count_round(&self, _completions: u64) {}

    #[inline(always)]
    pub(crate) fn count_starved(&self) {}

    #[inline(always)]
    pub(crate) fn count_accept_pause(&self) {}

    #[inline(always)]
    pub(crate) fn count_event(&self, _event: &Event<'_>) {}

    #[inline(always)]
    pub(crate) fn publish(&self, _pool: Counts, _overflows: u64) {}
}
