//! Which server is tried next, and after which pause.

use std::time::Duration;

/// Goes round the servers: each at once after the one before, and a pause after each round, which grows.
#[derive(Debug)]
pub(crate) struct Rounds {
    servers: usize,
    at: usize,
    tried: usize,
    least: Duration,
    most: Duration,
    pause: Duration,
}

impl Rounds {
    /// Rounds of this many servers, with pauses from `least` to `most`.
    pub(crate) fn new(servers: usize, least: Duration, most: Duration) -> Self {
        Self { servers: servers.max(1), at: 0, tried: 0, least, most, pause: least }
    }

    /// The server whose turn it is.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Goes on to the next server, and says after which pause. The one before could be used for as long
    /// as `lasted`: if that was long, all begins anew.
    pub(crate) fn next(&mut self, lasted: Duration) -> Duration {
        self.at = (self.at + 1) % self.servers;
        if lasted > self.most {
            (self.tried, self.pause) = (0, self.least);
            return Duration::ZERO;
        }
        self.tried += 1;
        if self.tried < self.servers {
            return Duration::ZERO;
        }
        self.tried = 0;
        let pause = self.pause;
        self.pause = (pause * 2).min(self.most);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_each_round_and_begin_anew_after_a_long_session() {
        let seconds = Duration::from_secs;
        let mut rounds = Rounds::new(3, seconds(1), seconds(8));
        let mut next = |lasted| (rounds.next(seconds(lasted)).as_secs(), rounds.at());
        let round = |pause| [(0, 1), (0, 2), (pause, 0)];
        for pause in [1, 2, 4, 8, 8] {
            assert_eq!([next(0), next(1), next(0)], round(pause));
        }
        assert_eq!([next(0), next(9), next(0)], [(0, 1), (0, 2), (0, 0)]);
        assert_eq!([next(0), next(0)], [(0, 1), (1, 2)]);

        let mut alone = Rounds::new(1, seconds(1), seconds(8));
        let pauses = [0, 0, 100, 0].map(|lasted| alone.next(seconds(lasted)).as_secs());
        assert_eq!(pauses, [1, 2, 0, 1]);
    }
}
