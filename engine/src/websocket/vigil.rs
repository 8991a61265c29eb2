//! Keep-alive: when to ping a silent peer, and when to give it up. Time comes in as an argument.

use std::time::{Duration, Instant};

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// None where silent peers are left alone.
    pub(super) ping_interval: Option<Duration>,
    pub(super) pong_timeout: Duration,
    pub(super) close_timeout: Duration,
}

/// What is known of a peer's being alive.
#[derive(Debug)]
pub(super) struct Vigil {
    patience: Patience,
    stage: Stage,
    /// When the stage began.
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The peer was heard.
    Heard,
    /// It was silent, and has been pinged.
    Pinged,
    /// It has been sent Close, and is to answer with its own.
    Closing,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    /// The peer has let its time pass.
    End,
}

impl Vigil {
    pub(super) fn new(patience: Patience, now: Instant) -> Vigil {
        Vigil {
            patience,
            stage: Stage::Heard,
            since: now,
        }
    }

    /// Something came from the peer, whatever it was. An answer to Close it is not.
    pub(super) fn handle_input(&mut self, now: Instant) {
        if self.stage != Stage::Closing {
            (self.stage, self.since) = (Stage::Heard, now);
        }
    }

    /// Close has been sent.
    pub(super) fn handle_close(&mut self, now: Instant) {
        if self.stage != Stage::Closing {
            (self.stage, self.since) = (Stage::Closing, now);
        }
    }

    /// When `handle_time` has something to say, unless something happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let patience = match self.stage {
            Stage::Heard => self.patience.ping_interval?,
            Stage::Pinged => self.patience.pong_timeout,
            Stage::Closing => self.patience.close_timeout,
        };
        self.since.checked_add(patience)
    }

    /// What the time asks for. Once `Ping` has been said, the answer is waited for.
    pub(super) fn handle_time(&mut self, now: Instant) -> Due {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Due::Nothing;
        }
        match self.stage {
            Stage::Heard => {
                (self.stage, self.since) = (Stage::Pinged, now);
                Due::Ping
            }
            Stage::Pinged | Stage::Closing => Due::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        ping_interval: Some(Duration::from_secs(30)),
        pong_timeout: Duration::from_secs(10),
        close_timeout: Duration::from_secs(5),
    };

    /// What happens at each second, and what is due then.
    #[test]
    fn silence_is_pinged_and_then_given_up_and_a_sign_of_life_begins_anew() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        let mut vigil = Vigil::new(PATIENCE, begin);
        assert_eq!(vigil.deadline(), Some(at(30)));
        assert_eq!(vigil.handle_time(at(29)), Due::Nothing);
        vigil.handle_input(at(29));
        assert_eq!(vigil.handle_time(at(58)), Due::Nothing);
        assert_eq!(vigil.handle_time(at(59)), Due::Ping);
        assert_eq!(vigil.deadline(), Some(at(69)));
        vigil.handle_input(at(68));
        assert_eq!(vigil.deadline(), Some(at(98)));
        assert_eq!(vigil.handle_time(at(98)), Due::Ping);
        assert_eq!(vigil.handle_time(at(107)), Due::Nothing);
        assert_eq!(vigil.handle_time(at(108)), Due::End);
    }

    #[test]
    fn whoever_goes_on_talking_instead_of_closing_gains_no_time() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        let mut vigil = Vigil::new(PATIENCE, begin);
        vigil.handle_close(at(1));
        vigil.handle_input(at(5));
        vigil.handle_close(at(5));
        assert_eq!(vigil.deadline(), Some(at(6)));
        assert_eq!(vigil.handle_time(at(6)), Due::End);
    }

    #[test]
    fn without_an_interval_nothing_is_ever_due() {
        let mut vigil = Vigil::new(
            Patience {
                ping_interval: None,
                ..PATIENCE
            },
            Instant::now(),
        );
        assert_eq!(vigil.deadline(), None);
        assert_eq!(
            vigil.handle_time(Instant::now() + Duration::from_secs(1 << 20)),
            Due::Nothing
        );
    }
}
