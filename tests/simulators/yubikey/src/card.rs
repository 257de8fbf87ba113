//! A card in a reader: the thread that answers the reader, and what tests do to the card meanwhile.
//!
//! Not here: the reader itself (`pcscd`).

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::apdu::Status;
use crate::applet::{Applet, Firmware, NextSignature, Reply, Touch};
use crate::attestation;
use crate::management::ManagementAlgorithm;
use crate::state::{State, Store};
use crate::vpcd::{self, Order};

/// How long a reader stays empty at least: pcscd looks for cards every 400 ms, and sooner it would not
/// see that a card was pulled.
const SHORTEST_ABSENCE: Duration = Duration::from_millis(1_000);
/// How long pcscd may take to power a card.
const LONGEST_INSERTION: Duration = Duration::from_secs(15);
/// How long pcscd may take to tell its clients of a card that has power.
const ANNOUNCEMENT: Duration = Duration::from_millis(100);
const RETRY: Duration = Duration::from_millis(50);

/// Which card, and which reader it is in.
#[derive(Clone, Debug)]
pub struct Config {
    /// The TCP port of `vpcd` on loopback, as [`crate::Pcscd::port`] gives it.
    pub reader_port: u16,
    /// The firmware that the card reports and behaves by.
    pub firmware: Firmware,
    /// The serial number.
    pub serial: u32,
    /// The cipher of a new card's management key; nothing for the firmware's default.
    pub management: Option<ManagementAlgorithm>,
    /// The file that keeps the card; nothing for a card that is forgotten at the end.
    pub state: Option<PathBuf>,
    /// A folder for the test root of the attestation, `root.pem`.
    pub attestation: Option<PathBuf>,
}

impl Config {
    /// A new card with firmware 5.7.1 and serial number 12345678 that is forgotten at the end.
    #[must_use]
    pub fn new(reader_port: u16) -> Self {
        Self {
            reader_port,
            firmware: Firmware::V5_7_1,
            serial: 12_345_678,
            management: None,
            state: None,
            attestation: None,
        }
    }
}

/// Why a card does not do what it is told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// pcscd is not there or does not use the reader.
    #[error("no reader powered the card within {} s on port {port}", LONGEST_INSERTION.as_secs())]
    NotPowered {
        /// The port on which `vpcd` was expected.
        port: u16,
    },
    /// The card answers as it would answer a client.
    #[error("the card answers {:04x}", .0.0)]
    Refused(Status),
    /// The state or the attestation root cannot be read or written.
    #[error("cannot keep the card")]
    Storage(#[from] io::Error),
}

/// A virtual YubiKey. Clones are handles of the same card; it leaves the reader with the last of them.
#[derive(Clone, Debug)]
pub struct YubiKey {
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    port: u16,
    applet: Mutex<Applet>,
    place: Mutex<Place>,
    changed: Condvar,
}

/// Where the card is.
#[derive(Debug)]
struct Place {
    is_inserted: bool,
    is_powered: bool,
    is_ending: bool,
    pulled_at: Option<Instant>,
    reader: Option<TcpStream>,
}

impl YubiKey {
    /// Puts a card into the reader and waits until it has power.
    ///
    /// # Errors
    ///
    /// [`CardError::Storage`] when the state is not usable; [`CardError::NotPowered`] without a reader.
    pub fn start(config: &Config) -> Result<Self, CardError> {
        let management = config.management.unwrap_or(config.firmware.default_management());
        let store = Store::open(config.state.as_deref(), config.serial, management)?;
        if let Some(folder) = &config.attestation {
            fs::create_dir_all(folder)?;
            fs::write(folder.join("root.pem"), attestation::pem(&store.state.attestation_root))?;
        }
        let place =
            Place { is_inserted: true, is_powered: false, is_ending: false, pulled_at: None, reader: None };
        let shared = Arc::new(Shared {
            port: config.reader_port,
            applet: Mutex::new(Applet::new(store, config.firmware)),
            place: Mutex::new(place),
            changed: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("yubikey".into()).spawn(move || of_thread.run())?;
        let card = Self { running: Arc::new(Running { shared, thread: Some(thread) }) };
        card.wait_for_power()?;
        Ok(card)
    }

    /// Pulls the card: commands in flight get no answer, the session ends.
    pub fn pull(&self) {
        self.shared().pull(&mut self.shared().place());
    }

    /// Puts the card back, not sooner than a hand could, and waits until it has power.
    ///
    /// # Errors
    ///
    /// [`CardError::NotPowered`] when pcscd is gone.
    pub fn insert(&self) -> Result<(), CardError> {
        let pulled_at = self.shared().place().pulled_at;
        if let Some(absence) = pulled_at.map(|at| at.elapsed()) {
            thread::sleep(SHORTEST_ABSENCE.saturating_sub(absence));
        }
        self.shared().place().is_inserted = true;
        self.shared().changed.notify_all();
        self.wait_for_power()
    }

    /// Returns how many signatures the card has made in its life, answered or not.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.shared().applet().store().state.operations
    }

    /// Returns the tries that are left for the PIN and for the PUK.
    #[must_use]
    pub fn tries_left(&self) -> (u8, u8) {
        let applet = self.shared().applet();
        let state = &applet.store().state;
        (state.pin.tries_left, state.puk.tries_left)
    }

    /// Says what goes wrong at the next signature.
    pub fn set_next_signature(&self, next: NextSignature) {
        self.shared().applet().next_signature = next;
    }

    /// Says whether somebody touches the card.
    pub fn set_touch(&self, touch: Touch) {
        self.shared().applet().touch = touch;
    }

    /// Puts another key of the same kind under the same policies into a slot.
    ///
    /// # Errors
    ///
    /// [`CardError::Refused`] for an empty slot.
    pub fn replace_key(&self, slot: u8) -> Result<(), CardError> {
        self.shared().applet().replace_key(slot).map_err(CardError::Refused)
    }

    /// Sets the card back to what the factory made of it; the attestation stays.
    ///
    /// # Errors
    ///
    /// [`CardError::Refused`] when the state cannot be written.
    pub fn reset(&self) -> Result<(), CardError> {
        self.shared().applet().reset().map_err(CardError::Refused)
    }

    /// Puts the management key behind the PIN, as `ykman piv access change-management-key --protect` does.
    ///
    /// # Errors
    ///
    /// [`CardError::Refused`] when the state cannot be written.
    pub fn protect_management_key(&self) -> Result<(), CardError> {
        self.shared().applet().change(State::protect_management_key).map_err(CardError::Refused)
    }

    /// Returns what the card remembers, for [`YubiKey::restore`].
    #[must_use]
    pub fn snapshot(&self) -> State {
        self.shared().applet().store().state.clone()
    }

    /// Gives the card back what it remembered; the count of its signatures goes on.
    ///
    /// # Errors
    ///
    /// [`CardError::Refused`] when the state cannot be written.
    pub fn restore(&self, state: &State) -> Result<(), CardError> {
        let restore = |now: &mut State| *now = State { operations: now.operations, ..state.clone() };
        self.shared().applet().change(restore).map_err(CardError::Refused)
    }

    fn shared(&self) -> &Shared {
        &self.running.shared
    }

    fn wait_for_power(&self) -> Result<(), CardError> {
        let shared = self.shared();
        let waiting = |place: &mut Place| !place.is_powered;
        let waited = shared.changed.wait_timeout_while(shared.place(), LONGEST_INSERTION, waiting);
        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            return Err(CardError::NotPowered { port: shared.port });
        }
        thread::sleep(ANNOUNCEMENT);
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut place = self.shared.place();
        place.is_ending = true;
        self.shared.pull(&mut place);
        drop(place);
        if let Some(thread) = self.thread.take() {
            // It ends at the closed connection; a panic in it shows in the test's output.
            let _ = thread.join();
        }
        // The next card in this reader must be seen as another one.
        thread::sleep(SHORTEST_ABSENCE);
    }
}

impl Shared {
    fn applet(&self) -> MutexGuard<'_, Applet> {
        self.applet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pull(&self, place: &mut Place) {
        place.is_inserted = false;
        place.is_powered = false;
        place.pulled_at = Some(Instant::now());
        if let Some(reader) = place.reader.take() {
            // The other side may have closed it already.
            let _ = reader.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
    }

    /// Goes into the reader whenever the card is inserted, until the end.
    fn run(&self) {
        loop {
            let waiting = |place: &mut Place| !place.is_inserted && !place.is_ending;
            let waited = self.changed.wait_while(self.place(), waiting);
            if waited.unwrap_or_else(PoisonError::into_inner).is_ending {
                return;
            }
            let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else {
                thread::sleep(RETRY);
                continue;
            };
            let mut place = self.place();
            if !place.is_inserted {
                continue;
            }
            place.reader = stream.try_clone().ok();
            drop(place);
            self.applet().power_off();
            // Its end is the end of the connection, for whichever reason.
            let _ = self.serve(stream);
            let mut place = self.place();
            place.reader = None;
            place.is_powered = false;
            drop(place);
            thread::sleep(RETRY);
        }
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            match vpcd::read(&mut stream)? {
                Order::PowerOff | Order::Reset => self.applet().power_off(),
                Order::PowerOn => {
                    self.applet().power_off();
                    self.place().is_powered = true;
                    self.changed.notify_all();
                }
                Order::AnswerToReset => vpcd::write(&mut stream, &vpcd::ANSWER_TO_RESET)?,
                Order::Command(bytes) => {
                    let reply = self.applet().execute(&bytes);
                    match reply {
                        Reply::Bytes(answer) => vpcd::write(&mut stream, &answer)?,
                        Reply::Pulled => {
                            // The driver hands the closed connection on as an answer without bytes.
                            self.pull(&mut self.place());
                            return Ok(());
                        }
                    }
                }
            }
        }
    }
}
