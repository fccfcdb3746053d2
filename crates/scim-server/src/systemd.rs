//! Messages to systemd about the state of the process (`Type=notify`, sd_notify(3)). Without the variable
//! `NOTIFY_SOCKET`, which systemd sets, they do nothing.

use std::future::Future;

/// Tells systemd that the server accepts connections.
pub fn ready() {
    notify(State::Ready);
}

/// Tells systemd that the server stops.
pub fn stopping() {
    notify(State::Stopping);
}

/// Whether systemd started this process, and waits for its messages.
pub fn is_present() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Returns the work that keeps the watchdog of systemd quiet, if the unit has one (`WatchdogSec`). It never ends. The
/// messages stop when the runtime that polls it hangs, and systemd then restarts the process.
pub fn watchdog() -> Option<impl Future<Output = ()> + 'static> {
    // Twice as often as systemd asks for, as sd_watchdog_enabled(3) recommends.
    let pause = watchdog_interval()? / 2;
    Some(async move {
        loop {
            notify(State::Alive);
            tokio::time::sleep(pause).await;
        }
    })
}

#[derive(Clone, Copy)]
enum State {
    Ready,
    Stopping,
    Alive,
}

#[cfg(unix)]
fn notify(state: State) {
    use sd_notify::NotifyState;

    let message = match state {
        State::Ready => NotifyState::Ready,
        State::Stopping => NotifyState::Stopping,
        State::Alive => NotifyState::Watchdog,
    };
    if let Err(error) = sd_notify::notify(&[message]) {
        log::warn!("systemd cannot be told the state of this process: NOTIFY_SOCKET: {error}");
    }
}

#[cfg(unix)]
fn watchdog_interval() -> Option<std::time::Duration> {
    sd_notify::watchdog_enabled()
}

#[cfg(not(unix))]
fn notify(_: State) {}

#[cfg(not(unix))]
fn watchdog_interval() -> Option<std::time::Duration> {
    None
}
