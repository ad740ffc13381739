use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One of QUIC's state machines: an endpoint's or a connection's. It can be run by whichever thread has woken it.
pub(crate) struct Task {
    /// `None` once it has ended.
    work: Mutex<Option<Work>>,
    /// Has the network thread run it.
    network: OnceLock<Waker>,
}

thread_local! {
    /// The tasks that this thread has woken and will run itself; `None` if it leaves them to the network thread.
    static WOKEN: RefCell<Option<VecDeque<Arc<Task>>>> = const { RefCell::new(None) };
}

impl Task {
    pub fn new(work: Work) -> Arc<Task> {
        Arc::new(Task {
            work: Mutex::new(Some(work)),
            network: OnceLock::new(),
        })
    }

    /// The task as the network thread's runtime sees it.
    pub fn on_network_thread(self: Arc<Task>) -> impl Future<Output = ()> + Send {
        OnNetworkThread(self)
    }

    /// Runs the task on this thread until it waits. If the network thread is at it, it runs it once more instead.
    pub fn run(self: &Arc<Task>) {
        let ended = match self.work.try_lock() {
            Ok(mut work) => Task::step(self, &mut work).is_ready(),
            Err(TryLockError::Poisoned(work)) => Task::step(self, &mut work.into_inner()).is_ready(),
            Err(TryLockError::WouldBlock) => true,
        };
        if ended {
            self.leave_to_network_thread();
        }
    }

    fn step(task: &Arc<Task>, slot: &mut Option<Work>) -> Poll<()> {
        let Some(work) = slot else { return Poll::Ready(()) };
        let waker = Waker::from(task.clone());
        let state = work.as_mut().poll(&mut Context::from_waker(&waker));
        if state.is_ready() {
            *slot = None;
        }
        state
    }

    fn leave_to_network_thread(&self) {
        // Without a waker the network thread has not begun it yet, and is about to.
        if let Some(network) = self.network.get() {
            network.wake_by_ref();
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let kept = WOKEN.with_borrow_mut(|woken| {
            let Some(woken) = woken else { return false };
            if !woken.iter().any(|task| Arc::ptr_eq(task, self)) {
                woken.push_back(self.clone());
            }
            true
        });
        if !kept {
            self.leave_to_network_thread();
        }
    }
}

struct OnNetworkThread(Arc<Task>);

impl Future for OnNetworkThread {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let OnNetworkThread(task) = &*self;
        task.network.get_or_init(|| context.waker().clone());
        let mut work = task.work.lock().unwrap_or_else(PoisonError::into_inner);
        Task::step(task, &mut work)
    }
}

impl Drop for OnNetworkThread {
    fn drop(&mut self) {
        // The work holds wakers of itself, so it would outlive the runtime that ends without having ended it.
        let work = self.0.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(work);
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

/// While it lives, this thread keeps the tasks that it wakes. Those it has not run by the end go to the network thread.
pub(crate) struct TaskQueue(());

impl TaskQueue {
    pub fn open() -> TaskQueue {
        WOKEN.set(Some(VecDeque::new()));
        TaskQueue(())
    }

    /// Runs the tasks that this thread has woken, and those that they wake; at most so many, since a busy peer may keep them
    /// going. Says whether there were any.
    pub fn run(&self, at_most: usize) -> bool {
        let next = || WOKEN.with_borrow_mut(|woken| woken.as_mut().and_then(VecDeque::pop_front));
        let tasks = std::iter::from_fn(next).take(at_most);
        tasks.inspect(|task| task.run()).count() > 0
    }
}

impl Drop for TaskQueue {
    fn drop(&mut self) {
        for task in WOKEN.take().into_iter().flatten() {
            task.leave_to_network_thread();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::{self, ThreadId};
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    /// A task that notes which thread runs it for each message.
    fn task() -> (mpsc::UnboundedSender<()>, Arc<Mutex<Vec<ThreadId>>>, Arc<Task>) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = seen.clone();
        let work = async move {
            while receiver.recv().await.is_some() {
                noted.lock().expect("no panic").push(thread::current().id());
            }
        };
        (sender, seen, Task::new(Box::pin(work)))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_task_runs_where_it_was_woken_or_on_the_network_thread() {
        let (sender, seen, task) = task();
        let network = tokio::spawn(task.on_network_thread());
        let here = thread::current().id();
        let wait_for = |count: usize| {
            while seen.lock().expect("no panic").len() < count {
                thread::sleep(Duration::from_millis(1));
            }
        };
        sender.send(()).expect("lives");
        wait_for(1);
        {
            let queue = TaskQueue::open();
            sender.send(()).expect("lives");
            queue.run(10);
            assert_eq!(seen.lock().expect("no panic").len(), 2, "run at once");
            sender.send(()).expect("lives");
        }
        wait_for(3);
        let threads = seen.lock().expect("no panic").clone();
        assert_ne!(threads[0], here);
        assert_eq!(threads[1], here);
        assert_ne!(threads[2], here, "what is left at the end is the network thread's");
        // Ended on this thread, it ends on the other as well.
        let queue = TaskQueue::open();
        drop(sender);
        queue.run(10);
        drop(queue);
        network.await.expect("no panic");
    }

    #[test]
    fn a_task_that_always_wakes_itself_is_left_after_a_while() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        let work = std::future::poll_fn(move |context| {
            counted.fetch_add(1, Ordering::Relaxed);
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        let task = Task::new(Box::pin(work));
        let queue = TaskQueue::open();
        task.run();
        queue.run(5);
        assert_eq!(runs.load(Ordering::Relaxed), 6);
    }
}
