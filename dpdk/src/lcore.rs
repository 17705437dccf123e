//! Code on lcores.
//!
//! Two ways. [`Eal::launch`] runs on the lcores that the EAL made at start. [`Eal::spawn`] makes a
//! thread of its own, pins it and registers it as a further lcore: it needs no plan at start and
//! is the one to prefer where CPUs are few. Both have their mempool caches. Neither raises its
//! scheduling class: a spinning real-time thread starves the kernel's own work on that CPU.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, TryRecvError, TrySendError, sync_channel};
use std::thread;

use dpdk_sys as sys;

use crate::eal::control;
use crate::error::check;
use crate::{Eal, Errno, Error};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Proof that the code runs on an lcore, for what is kept per lcore.
/// Neither `Send` nor `Sync`: it cannot leave the thread it was given to.
///
/// ```compile_fail
/// fn leave(lcore: dpdk::Lcore) { std::thread::spawn(move || drop(lcore)); }
/// ```
/// ```compile_fail
/// fn lend(lcore: &dpdk::Lcore) {
///     std::thread::scope(|scope| { scope.spawn(|| lcore.id()); });
/// }
/// ```
#[derive(Debug)]
pub struct Lcore {
    id: u32,
    /// Whether this thread is one of ours, not of the EAL: it counts in [`REGISTERED`].
    registered: bool,
    here: PhantomData<*mut ()>,
}

thread_local! {
    /// How many `Lcore` hold this thread registered.
    static REGISTERED: Cell<u32> = const { Cell::new(0) };
}

impl Lcore {
    /// Makes this thread an lcore until the value is dropped, and any other that this gave out here;
    /// pin the thread before. On an lcore of the EAL, says which.
    ///
    /// # Errors
    /// When all numbers are taken.
    pub fn register(_: Eal) -> Result<Self, Error> {
        // SAFETY: Reads a thread-local number.
        let any = unsafe { sys::shim_lcore_any() };
        // SAFETY: As above.
        let id = unsafe { sys::shim_lcore_id() };
        let held = REGISTERED.get();
        if id != any && held == 0 {
            return Ok(Self {
                id,
                registered: false,
                here: PhantomData,
            });
        }
        // SAFETY: The EAL is up and this thread is not an lcore.
        if held == 0 && unsafe { sys::rte_thread_register() } != 0 {
            return Err(Error::call(
                "rte_thread_register",
                "this thread",
                Errno::last(),
            ));
        }
        REGISTERED.set(held.saturating_add(1));
        // SAFETY: Reads a thread-local number.
        let id = unsafe { sys::shim_lcore_id() };
        Ok(Self {
            id,
            registered: true,
            here: PhantomData,
        })
    }

    /// Its number.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Its NUMA node, by the CPUs it was pinned to when it became an lcore.
    pub fn socket(&self) -> Option<u32> {
        // SAFETY: Reads a thread-local number.
        let socket = unsafe { sys::rte_socket_id() };
        // Any node: -1.
        (socket != u32::MAX).then_some(socket)
    }
}

impl Drop for Lcore {
    fn drop(&mut self) {
        if !self.registered {
            return;
        }
        let others = REGISTERED.get().saturating_sub(1);
        REGISTERED.set(others);
        if others == 0 {
            // SAFETY: This thread was registered by `register`, and the last to need it goes.
            unsafe { sys::rte_thread_unregister() }
        }
    }
}

/// Something that runs on an lcore. Dropping it does not stop it.
#[derive(Debug)]
pub struct Worker<R> {
    lcore: u32,
    result: Receiver<thread::Result<R>>,
}

impl<R> Worker<R> {
    /// Waits until it has ended.
    ///
    /// # Errors
    /// With what it panicked with.
    pub fn join(self) -> thread::Result<R> {
        self.result
            .recv()
            .unwrap_or_else(|gone| Err(Box::new(gone)))
    }

    /// Its result when it has ended, else itself.
    ///
    /// # Errors
    /// Gives itself back while it runs.
    pub fn try_join(self) -> Result<thread::Result<R>, Self> {
        match self.result.try_recv() {
            Ok(result) => Ok(result),
            Err(TryRecvError::Empty) => Err(self),
            Err(TryRecvError::Disconnected) => Ok(Err(Box::new(TryRecvError::Disconnected))),
        }
    }

    /// Which lcore it was given to; none for a thread that registers itself.
    pub const fn lcore(&self) -> Option<u32> {
        if self.lcore == u32::MAX {
            None
        } else {
            Some(self.lcore)
        }
    }
}

impl Eal {
    /// Runs `body` on an lcore of [`Eal::lcores`], the main one included.
    ///
    /// # Errors
    /// When there is no such lcore, or it runs something else.
    pub fn launch<R, F>(self, lcore: u32, body: F) -> Result<Worker<R>, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Lcore) -> R + Send + 'static,
    {
        if !self.has(lcore) {
            return Err(Error::NoLcore(lcore));
        }
        let (job, worker) = job(self, lcore, body);
        let main = self.main();
        if lcore == main.lcore {
            // Taken only by a main lcore that waits.
            main.jobs.try_send(job).map_err(|refused| match refused {
                TrySendError::Full(_) | TrySendError::Disconnected(_) => Error::LcoreBusy(lcore),
            })?;
            return Ok(worker);
        }
        let job = Box::into_raw(Box::new(job));
        let _one_at_a_time = control();
        // SAFETY: The lcore exists; `run` takes what `job` points to, once.
        let answer = unsafe { sys::rte_eal_remote_launch(Some(run), job.cast(), lcore) };
        match check("rte_eal_remote_launch", "an lcore", answer) {
            Ok(_) => Ok(worker),
            Err(refused) => {
                // SAFETY: Refused, so `run` will not take it: it is ours again.
                drop(unsafe { Box::from_raw(job) });
                Err(if answer == -libc::EBUSY {
                    Error::LcoreBusy(lcore)
                } else {
                    refused
                })
            }
        }
    }

    /// Runs `body` on a new thread, pinned to `cpu` if one is named, as an lcore of its own.
    ///
    /// # Errors
    /// When the system gives no thread, has no such CPU for us, or lcores have run out.
    pub fn spawn<R, F>(self, name: &str, cpu: Option<u32>, body: F) -> Result<Worker<R>, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Lcore) -> R + Send + 'static,
    {
        let (give, result) = sync_channel(1);
        let (report, ready) = sync_channel::<Result<(), Error>>(1);
        let subject = name.to_owned();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let lcore = cpu.map_or(Ok(()), |cpu| pin(cpu, &subject));
                match lcore.and_then(|()| Lcore::register(self)) {
                    Ok(lcore) => {
                        drop(report.send(Ok(())));
                        let answer = catch_unwind(AssertUnwindSafe(|| body(&lcore)));
                        // Freed before anybody can learn that it has ended.
                        drop(lcore);
                        drop(give.send(answer));
                    }
                    Err(error) => drop(report.send(Err(error))),
                }
            })
            .map_err(|source| Error::Thread {
                name: name.to_owned(),
                source,
            })?;
        ready.recv().unwrap_or(Err(Error::AlreadyStarted))?;
        Ok(Worker {
            lcore: u32::MAX,
            result,
        })
    }
}

/// Wraps `body` so that its end, good or bad, reaches the worker.
fn job<R, F>(eal: Eal, lcore: u32, body: F) -> (Job, Worker<R>)
where
    R: Send + 'static,
    F: FnOnce(&Lcore) -> R + Send + 'static,
{
    let (give, result) = sync_channel(1);
    let job = Box::new(move || {
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let _ = eal;
            body(&Lcore {
                id: lcore,
                registered: false,
                here: PhantomData,
            })
        }));
        // Nobody may wait for it.
        drop(give.send(answer));
    });
    (job, Worker { lcore, result })
}

/// What the EAL calls on the lcore.
unsafe extern "C" fn run(job: *mut c_void) -> c_int {
    // SAFETY: `launch` gave the pointer of a boxed job, for this one call.
    let job: Box<Job> = unsafe { Box::from_raw(job.cast()) };
    job();
    0
}

/// Pins this thread.
fn pin(cpu: u32, subject: &str) -> Result<(), Error> {
    let refuse = |errno| {
        Error::call(
            "sched_setaffinity",
            format!("{subject} on CPU {cpu}"),
            errno,
        )
    };
    let index = usize::try_from(cpu).ok().filter(|&index| index < 1024);
    let index = index.ok_or_else(|| refuse(Errno(libc::EINVAL)))?;
    // SAFETY: An all-zero set is a set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: The set has 1024 bits.
    unsafe { libc::CPU_SET(index, &mut set) };
    // SAFETY: Reads a set of the size given; concerns this thread.
    let answer =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if answer == 0 {
        return Ok(());
    }
    let errno = std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EINVAL);
    Err(refuse(Errno(errno)))
}
