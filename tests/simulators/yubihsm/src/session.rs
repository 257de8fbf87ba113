//! The session table: sixteen places, each free again thirty seconds after its last use.
//!
//! A session takes its place when it is created, before the host has proved anything, as on the device: a
//! wrong password therefore costs a place until it expires. Not here: what a session may do (`device`).

use std::time::{Duration, Instant};

use crate::frame::Refusal;
use crate::scp03::Channel;

/// How many sessions the device holds.
pub(crate) const PLACES: usize = 16;

/// What a session may do: a copy of its authentication key's rights at the time it was created.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rights {
    /// The authentication key.
    pub(crate) key: u16,
    pub(crate) domains: u16,
    pub(crate) capabilities: u64,
    pub(crate) delegated: u64,
}

/// One place in the table that is taken.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) channel: Channel,
    pub(crate) rights: Rights,
    pub(crate) authenticated: bool,
    used: Instant,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Sessions {
    places: [Option<Session>; PLACES],
    time_out: Duration,
}

impl Sessions {
    pub(crate) fn new(time_out: Duration) -> Self {
        Self { places: std::array::from_fn(|_| None), time_out }
    }

    /// Takes the lowest free place and returns its number.
    ///
    /// # Errors
    ///
    /// [`Refusal::SessionsFull`] when sixteen are in use.
    pub(crate) fn create(&mut self, channel: Channel, rights: Rights) -> Result<u8, Refusal> {
        self.expire();
        let free = self.places.iter().position(Option::is_none).ok_or(Refusal::SessionsFull)?;
        self.places[free] = Some(Session { channel, rights, authenticated: false, used: Instant::now() });
        u8::try_from(free).map_err(|_| Refusal::SessionsFull)
    }

    /// Returns a session and counts this as its use.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidSession`] when there is none with this number, or it has expired.
    pub(crate) fn get(&mut self, id: u8) -> Result<&mut Session, Refusal> {
        self.expire();
        let place = self.places.get_mut(usize::from(id)).and_then(Option::as_mut);
        let session = place.ok_or(Refusal::InvalidSession)?;
        session.used = Instant::now();
        Ok(session)
    }

    /// Frees a place.
    pub(crate) fn close(&mut self, id: u8) {
        if let Some(place) = self.places.get_mut(usize::from(id)) {
            *place = None;
        }
    }

    /// Frees all places.
    pub(crate) fn clear(&mut self) {
        self.places = std::array::from_fn(|_| None);
    }

    /// Returns how many places are taken.
    pub(crate) fn taken(&mut self) -> usize {
        self.expire();
        self.places.iter().flatten().count()
    }

    fn expire(&mut self) {
        for place in &mut self.places {
            if place.as_ref().is_some_and(|session| session.used.elapsed() >= self.time_out) {
                *place = None;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RIGHTS: Rights = Rights { key: 1, domains: 0xffff, capabilities: 0, delegated: 0 };

    fn channel() -> Channel {
        Channel::new(&[0; 32], [0; 8], [0; 8])
    }

    #[test]
    fn the_seventeenth_is_refused_and_a_closed_place_is_taken_again() {
        let mut sessions = Sessions::new(Duration::from_secs(30));
        for id in 0..16 {
            assert_eq!(sessions.create(channel(), RIGHTS), Ok(id));
        }
        assert_eq!(sessions.create(channel(), RIGHTS), Err(Refusal::SessionsFull));
        sessions.close(7);
        assert_eq!(sessions.create(channel(), RIGHTS), Ok(7));
        assert_eq!(sessions.taken(), 16);
    }

    #[test]
    fn an_unused_session_expires_and_a_used_one_does_not() {
        let mut sessions = Sessions::new(Duration::from_secs(2));
        assert_eq!((sessions.create(channel(), RIGHTS), sessions.create(channel(), RIGHTS)), (Ok(0), Ok(1)));
        std::thread::sleep(Duration::from_millis(1_200));
        assert!(sessions.get(1).is_ok());
        std::thread::sleep(Duration::from_millis(1_200));
        assert!(matches!(sessions.get(0), Err(Refusal::InvalidSession)));
        assert!(sessions.get(1).is_ok());
        assert!(sessions.get(16).is_err() && sessions.get(255).is_err());
    }
}
