//! Colour and emphasis: the streams that use them, and their codes.

use std::borrow::Cow;
use std::io;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

/// The kinds of messages. Results have no label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Error,
    Warning,
    Hint,
}

impl Label {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Error => "error:",
            Self::Warning => "warning:",
            Self::Hint => "hint:",
        }
    }

    fn style(self) -> Style {
        let color = match self {
            Self::Error => AnsiColor::Red,
            Self::Warning => AnsiColor::Yellow,
            Self::Hint => AnsiColor::Cyan,
        };
        color.on_default().bold()
    }
}

/// The value of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorOption {
    // Colours on a terminal, unless NO_COLOR is set; elsewhere with CLICOLOR_FORCE.
    #[default]
    Auto,
    Always,
    Never,
}

impl ColorOption {
    /// Returns the value in the arguments before they are parsed: errors of the parser are coloured, too.
    pub(crate) fn of_arguments(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Self {
        let mut said = Self::default();
        let mut arguments = arguments.into_iter().take_while(|argument| argument != "--");
        while let Some(argument) = arguments.next() {
            let Some(argument) = argument.to_str() else { continue };
            let word = match argument.strip_prefix("--color") {
                Some("") => arguments.next().and_then(|word| word.into_string().ok()),
                Some(word) => word.strip_prefix('=').map(str::to_owned),
                None => None,
            };
            if let Some(word) = word.and_then(|word| Self::from_str(&word, false).ok()) {
                said = word;
            }
        }
        said
    }

    /// Returns the choice for the argument parser.
    pub(crate) fn for_clap(self) -> clap::ColorChoice {
        match self {
            Self::Auto => clap::ColorChoice::Auto,
            Self::Always => clap::ColorChoice::Always,
            Self::Never => clap::ColorChoice::Never,
        }
    }

    fn applies(self, of_stream: impl FnOnce() -> ColorChoice) -> bool {
        match self {
            Self::Auto => of_stream() != ColorChoice::Never,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Formats texts for one stream, with or without codes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    is_on: bool,
}

impl Paint {
    #[cfg(test)]
    pub(crate) const NONE: Self = Self { is_on: false };

    pub(crate) fn stdout(option: ColorOption) -> Self {
        Self { is_on: option.applies(|| AutoStream::choice(&io::stdout())) }
    }

    pub(crate) fn stderr(option: ColorOption) -> Self {
        Self { is_on: option.applies(|| AutoStream::choice(&io::stderr())) }
    }

    pub(super) fn is_on(self) -> bool {
        self.is_on
    }

    pub(super) fn label(self, label: Label) -> Cow<'static, str> {
        self.with(label.style(), label.text())
    }

    /// Formats values, paths and commands.
    pub(crate) fn strong(self, text: &str) -> Cow<'_, str> {
        self.with(Style::new().bold(), text)
    }

    /// Formats text that is less important than the text around it.
    pub(crate) fn faint(self, text: &str) -> Cow<'_, str> {
        self.with(Style::new().dimmed(), text)
    }

    pub(crate) fn good(self, text: &str) -> Cow<'_, str> {
        self.with(AnsiColor::Green.on_default(), text)
    }

    pub(crate) fn bad(self, text: &str) -> Cow<'_, str> {
        self.with(Label::Error.style(), text)
    }

    pub(crate) fn doubtful(self, text: &str) -> Cow<'_, str> {
        self.with(Label::Warning.style(), text)
    }

    /// Formats text between backquotes as strong. Without colour the backquotes stay.
    pub(crate) fn emphasized(self, text: &str) -> Cow<'_, str> {
        if !self.is_on || text.matches('`').count() < 2 {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, quoted)) = rest.split_once('`') {
            let Some((quoted, after)) = quoted.split_once('`') else { break };
            out.push_str(before);
            out.push_str(&self.strong(quoted));
            rest = after;
        }
        out.push_str(rest);
        Cow::Owned(out)
    }

    fn with(self, style: Style, text: &str) -> Cow<'_, str> {
        if self.is_on { Cow::Owned(format!("{style}{text}{style:#}")) } else { Cow::Borrowed(text) }
    }
}

/// Returns true if the locale says that the terminal shows UTF-8.
pub(crate) fn is_utf8() -> bool {
    if cfg!(any(target_os = "macos", windows)) {
        return true;
    }
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(std::env::var_os);
    set.into_iter().find(|value| !value.is_empty()).is_some_and(|value| {
        let value = value.to_string_lossy().to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

/// Returns the styles of help and of parser errors.
pub(crate) fn of_help() -> clap::builder::Styles {
    let bold = Style::new().bold();
    clap::builder::Styles::plain()
        .header(bold.underline())
        .usage(bold.underline())
        .literal(bold)
        .error(Label::Error.style())
        .valid(bold)
        .invalid(AnsiColor::Yellow.on_default().bold())
        .context(Style::new().dimmed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_found_among_the_arguments() {
        let said = |words: &[&str]| ColorOption::of_arguments(words.iter().map(Into::into));
        assert_eq!(said(&["envconf", "open"]), ColorOption::Auto);
        assert_eq!(said(&["envconf", "--color", "never", "open"]), ColorOption::Never);
        assert_eq!(said(&["envconf", "open", "--color=always"]), ColorOption::Always);
        assert_eq!(said(&["envconf", "exec", "app", "--", "ls", "--color=always"]), ColorOption::Auto);
        assert_eq!(said(&["envconf", "--color=pink", "--colors", "--color"]), ColorOption::Auto);
    }

    #[test]
    fn backquotes_become_emphasis_only_with_colour() {
        let on = Paint { is_on: true };
        assert_eq!(on.emphasized("run `a b`, not `c`"), "run \u{1b}[1ma b\u{1b}[0m, not \u{1b}[1mc\u{1b}[0m");
        assert_eq!(on.emphasized("one ` only"), "one ` only");
        assert_eq!(Paint::NONE.emphasized("run `a`"), "run `a`");
        assert_eq!(Paint::NONE.label(Label::Hint), "hint:");
    }
}
