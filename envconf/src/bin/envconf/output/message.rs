//! Formats messages for people: labels, hints, and lines that fit the terminal.

use envconf::Error;
use envconf::error::escape;

use super::style::{Label, Paint};
use super::{hints, layout};

/// A message of one or more lines, each with its label.
#[derive(Default)]
pub(crate) struct Message {
    lines: Vec<(Option<Label>, String)>,
    /// The emphasised beginning of the first line: the path of an error.
    subject: Option<String>,
}

impl Message {
    /// Returns an error as `label`: what failed, on what; the causes; and the hints, one on each line.
    pub(super) fn of_error(label: Label, error: &Error) -> Self {
        let path = error.path().map(|path| escape(&path.to_string_lossy()).to_string());
        let mut this = Self { subject: path, ..Self::default() };
        let subject = this.subject.as_ref().map(|path| format!("{path}: "));
        this.push(Some(label), &format!("{}{}", subject.unwrap_or_default(), error.message()));
        for note in error.notes() {
            this.push(None, &format!("  {note}"));
        }
        for problem in error.problems() {
            this.push(None, &format!("  {problem}"));
        }
        for attempt in error.attempts() {
            this.push(None, &format!("  {attempt}"));
        }
        if let Some(advice) = hints::advice(error.remedy(), error.advice()) {
            this.hints(&advice);
        }
        this
    }

    /// Returns a text whose first line has `label`.
    pub(super) fn of_text(label: Option<Label>, text: &str) -> Self {
        let mut this = Self::default();
        this.push(label, text);
        this
    }

    /// Returns hints, one on each line.
    pub(super) fn of_hints(text: &str) -> Self {
        let mut this = Self::default();
        this.hints(text);
        this
    }

    /// Formats an error of the argument parser with envconf's labels.
    pub(super) fn of_usage(text: &str) -> Self {
        let mut this = Self::default();
        for line in text.lines().map(|line| escape(line).to_string()) {
            let line = line.trim_end();
            if let Some(error) = line.strip_prefix("error: ") {
                this.push(Some(Label::Error), error);
            } else if let Some(tip) = line.trim_start().strip_prefix("tip: ") {
                this.push(Some(Label::Hint), tip);
            } else if let Some(more) = line.strip_prefix("For more information, try ") {
                this.push(
                    Some(Label::Hint),
                    &format!("for more information, try {}", more.trim_end_matches('.')),
                );
            } else if !line.is_empty() {
                this.push(None, line);
            }
        }
        this
    }

    fn push(&mut self, label: Option<Label>, text: &str) {
        let mut lines = text.lines();
        self.lines.push((label, lines.next().unwrap_or_default().to_owned()));
        self.lines.extend(lines.map(|line| (None, line.to_owned())));
    }

    fn hints(&mut self, advice: &str) {
        self.lines.extend(advice.lines().map(|hint| (Some(Label::Hint), hint.to_owned())));
    }

    /// Writes the message as one text. Lines are broken between words to fit `width`.
    pub(super) fn written(&self, paint: Paint, width: Option<usize>) -> String {
        let mut text = String::new();
        for (index, (label, line)) in self.lines.iter().enumerate() {
            let label_text = label.map_or("", Label::text);
            let lead = if label_text.is_empty() { 0 } else { label_text.len() + 1 };
            let own = line.len() - line.trim_start().len();
            let indent = if lead > 0 { 2 } else { own + 2 };
            let parts = layout::wrapped(line.trim_start(), width, lead + own, indent);
            for (at, part) in parts.iter().enumerate() {
                match (at, label) {
                    (0, Some(label)) => {
                        text.push_str(&paint.label(*label));
                        text.push(' ');
                    }
                    (0, None) => text.push_str(&" ".repeat(own)),
                    _ => text.push_str(&" ".repeat(indent)),
                }
                let subject = self.subject.as_deref().filter(|_| index == 0 && at == 0);
                match subject.and_then(|subject| Some((subject, part.strip_prefix(subject)?))) {
                    Some((subject, rest)) => {
                        text.push_str(&paint.strong(subject));
                        text.push_str(&paint.emphasized(rest));
                    }
                    None => text.push_str(&paint.emphasized(part)),
                }
                text.push('\n');
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use envconf::Kind;

    use super::*;

    #[test]
    fn an_error_has_a_label_and_each_hint_a_line() {
        let error = Error::new(Kind::Usage, "no such thing").advise("do this\nor `do that`");
        let text = Message::of_error(Label::Error, &error).written(Paint::NONE, None);
        assert_eq!(text, "error: no such thing\nhint: do this\nhint: or `do that`\n");
    }

    #[test]
    fn lines_are_broken_between_words_and_never_in_commands() {
        let text = "  the recipient is not trusted: run `envconf verify app --accept-older` first";
        let lines = Message::of_text(None, text).written(Paint::NONE, Some(40));
        assert_eq!(
            lines,
            "  the recipient is not trusted: run\n    `envconf verify app --accept-older`\n    first\n"
        );
        let error = Error::new(Kind::Usage, "one two three four").advise("five six seven eight");
        let text = Message::of_error(Label::Warning, &error).written(Paint::NONE, Some(20));
        assert_eq!(text, "warning: one two\n  three four\nhint: five six seven\n  eight\n");
    }
}
