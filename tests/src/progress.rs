//! What a person sees while the platform is built and started: for each part what, which step, and the time gone.

use std::fmt::Display;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where progress is shown. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Progress(Sink);

#[derive(Clone, Debug)]
enum Sink {
    Terminal(MultiProgress),
    Lines,
    Silent,
}

impl Progress {
    /// Bars that update where standard error is a terminal, and plain lines elsewhere.
    pub fn auto() -> Self {
        if std::io::stderr().is_terminal() {
            // Often enough to look alive; more would cost the parts their processor.
            let terminal = ProgressDrawTarget::stderr_with_hz(8);
            Self(Sink::Terminal(MultiProgress::with_draw_target(terminal)))
        } else {
            Self::lines()
        }
    }

    /// Plain lines on standard error.
    pub fn lines() -> Self {
        Self(Sink::Lines)
    }

    /// Nothing at all.
    pub fn silent() -> Self {
        Self(Sink::Silent)
    }

    /// Says one sentence.
    pub fn say(&self, sentence: impl Display) {
        match &self.0 {
            Sink::Terminal(bars) => {
                let _ = bars.println(sentence.to_string());
            }
            Sink::Lines => eprintln!("{sentence}"),
            Sink::Silent => {}
        }
    }

    /// Begins a task on `part`; it is shown until the [`Task`] is finished or dropped.
    pub fn task(&self, part: impl Into<String>) -> Task {
        let part = part.into();
        let bar = match &self.0 {
            Sink::Terminal(bars) => {
                let bar = bars.add(ProgressBar::new_spinner());
                bar.set_style(style("{spinner} {prefix:<28} {elapsed:>5}  {wide_msg}"));
                bar.set_prefix(part.clone());
                bar.enable_steady_tick(Duration::from_millis(250));
                Some(bar)
            }
            Sink::Lines | Sink::Silent => None,
        };
        Task {
            part,
            sink: self.clone(),
            bar,
            began: Instant::now(),
            counted: Arc::new(Mutex::new(Instant::now())),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Between two lines that only count on.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// One part at work.
#[derive(Debug)]
pub struct Task {
    part: String,
    sink: Progress,
    bar: Option<ProgressBar>,
    began: Instant,
    counted: Arc<Mutex<Instant>>,
}

impl Task {
    /// Names the step the part is at.
    pub fn step(&self, step: impl Display) {
        match &self.bar {
            Some(bar) => bar.set_message(step.to_string()),
            None => self.line(step),
        }
    }

    /// A step that advances often: where lines are printed, only some are.
    pub fn count(&self, step: impl Display) {
        if let Some(bar) = &self.bar {
            bar.set_message(step.to_string());
            return;
        }
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.elapsed() >= COUNT_EVERY {
            *counted = Instant::now();
            self.line(step);
        }
    }

    /// Shows what changes often; where lines are printed, nothing is.
    pub fn show(&self, now: impl Display) {
        if let Some(bar) = &self.bar {
            bar.set_message(now.to_string());
        }
    }

    /// Since the task began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Ends the task with its result.
    pub fn done(self, result: impl Display) {
        match &self.bar {
            Some(bar) => {
                bar.set_style(style("✓ {prefix:<28} {elapsed:>5}  {wide_msg}"));
                bar.finish_with_message(result.to_string());
            }
            None => self.line(result),
        }
    }

    fn line(&self, text: impl Display) {
        self.sink.say(format_args!(
            "{:<28} {:>5}  {text}",
            self.part,
            human(self.elapsed())
        ));
    }
}

/// A duration as a person reads it: `7s`, `3m40s`.
pub fn human(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (seconds, expected) in [(0, "0s"), (59, "59s"), (60, "1m00s"), (220, "3m40s")] {
            assert_eq!(human(Duration::from_secs(seconds)), expected);
        }
    }
}
