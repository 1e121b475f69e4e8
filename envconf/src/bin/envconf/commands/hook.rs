use std::path::{Path, PathBuf};

use envconf::{Error, Kind};
use serde_json::json;

use crate::git::Repository;
use crate::git::appended_lines::{ATTRIBUTES, AppendedLines};
use crate::git::hook_managers;
use crate::git::pre_commit::Hook;
use crate::output::{Output, shown};

/// Check every commit, and let git diff show sealed files
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf hook install
  envconf hook uninstall")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: HookVerb,
}

#[derive(clap::Subcommand)]
enum HookVerb {
    /// Install the pre-commit check and the diff driver
    ///
    /// The hook runs `envconf scan --staged`. If a hook already exists, the check runs
    /// first. envconf writes the hook to the directory in which git looks for hooks. With
    /// husky, it writes to .husky/pre-commit.
    ///
    /// `git diff` then shows the output of `envconf diff` for sealed files, without a
    /// key. `envconf status --check` fails if the check is missing. You can run this
    /// command again.
    #[command(after_help = "Examples:\n  envconf hook install\n  git diff; git log -p --ext-diff")]
    Install,
    /// Remove the pre-commit check and the diff driver
    ///
    /// envconf removes only its own settings and lines.
    #[command(after_help = "Examples:\n  envconf hook uninstall")]
    Uninstall,
}

/// The name of the driver in `.gitattributes` and git's configuration.
const DRIVER: &str = "diff.envconf.command";
/// The command of the driver. Git appends a path in the repository, which may begin with a hyphen.
const DRIVER_ARGUMENTS: &str = "git-diff --";
const DRIVER_ATTRIBUTES: &[&str] = &["*.conf.enc diff=envconf", "*.conf.key diff=envconf"];

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Error> {
    let repository = Repository::find(Path::new("."))?;
    let repository = repository.ok_or_else(|| {
        Error::new(Kind::Usage, "this directory is not in a git repository")
            .advise("create one with `git init`")
    })?;
    match args.verb {
        HookVerb::Install => install(&repository, output),
        HookVerb::Uninstall => uninstall(&repository, output),
    }
}

fn install(repository: &Repository, output: &Output) -> Result<(), Error> {
    let program = program();
    // Check everything before anything is created.
    let mut hooks = Vec::new();
    for hook in hook_managers::hooks(repository)? {
        let planned = hook.with_check(&program)?;
        hooks.push((hook, planned));
    }
    let generated = hook_managers::generated_hook(repository)?;
    let wanted: Vec<&str> = ATTRIBUTES.iter().chain(DRIVER_ATTRIBUTES).copied().collect();
    let attributes = AppendedLines::missing_in(&repository.root().join(".gitattributes"), &wanted)?;
    let driver = repository.setting(DRIVER)?;
    let remembered = repository.setting(hook_managers::REMEMBERED)?;

    let lacks_generated = generated.as_ref().is_some_and(|generated| !generated.is_run());
    let settings = [
        (DRIVER, driver, format!("{program} {DRIVER_ARGUMENTS}")),
        (hook_managers::REMEMBERED, remembered, "true".to_owned()),
    ];
    // Install everything or nothing.
    let set_up = || -> Result<(Vec<String>, Vec<String>), Error> {
        let (mut done, mut kept) = (Vec::new(), Vec::new());
        for (hook, planned) in &hooks {
            match planned {
                Some(text) => {
                    hook.write(text)?;
                    done.push(shown(hook.path()));
                }
                None => kept.push(shown(hook.path())),
            }
        }
        if let Some(generated) = &generated {
            generated.remove_check()?;
        }
        let list = if attributes.is_empty() { &mut kept } else { &mut done };
        list.push(shown(attributes.file()));
        attributes.append()?;
        for (name, is_there, value) in &settings {
            match is_there {
                Some(_) => kept.push((*name).to_owned()),
                None => {
                    repository.set(name, Some(value))?;
                    done.push((*name).to_owned());
                }
            }
        }
        Ok((done, kept))
    };
    let (done, kept) = set_up().inspect_err(|_| {
        for (name, ..) in settings.iter().filter(|(_, is_there, _)| is_there.is_none()) {
            let _ = repository.set(name, None); // most often it is not there
        }
        attributes.remove();
        hooks.iter().filter(|(_, planned)| planned.is_some()).for_each(|(hook, _)| hook.restore());
        generated.iter().for_each(Hook::restore);
    })?;
    report("Set up", &done, &kept, output)?;
    for (hook, _) in &hooks {
        say_of_place(hook, repository, output)?;
    }
    if lacks_generated {
        output.warn(
            "husky has not written its hooks here, so git runs none: run `npm install`, or `npx husky`",
        );
    }
    Ok(())
}

/// Reports programs that may overwrite this hook, and who else uses it.
fn say_of_place(hook: &Hook, repository: &Repository, output: &Output) -> Result<(), Error> {
    let path = shown(hook.path());
    if let Some(manager) = hook_managers::manager(hook) {
        output.warn(format_args!("{} overwrites {path} and removes the check", manager.name));
        output.hint(format_args!("{}", manager.advice));
    }
    if hook.path().starts_with(repository.common()?) {
        return Ok(());
    }
    if hook.path().starts_with(repository.root()) {
        output.hint(format_args!("{path} is a file of this repository: commit it"));
    } else {
        output.say(format_args!("{path} is outside of this repository: others may share it"));
    }
    Ok(())
}

fn uninstall(repository: &Repository, output: &Output) -> Result<(), Error> {
    let (mut done, mut kept) = (Vec::new(), Vec::new());
    for hook in hook_managers::hooks(repository)? {
        let was_there = hook.remove_check()?;
        if was_there { &mut done } else { &mut kept }.push(shown(hook.path()));
    }
    if let Some(generated) = hook_managers::generated_hook(repository)? {
        generated.remove_check()?;
    }
    let is_driver =
        repository.setting(DRIVER)?.is_some_and(|command| command.ends_with(&format!(" {DRIVER_ARGUMENTS}")));
    let is_remembered = repository.setting(hook_managers::REMEMBERED)?.is_some();
    for (name, is_ours) in [(DRIVER, is_driver), (hook_managers::REMEMBERED, is_remembered)] {
        if is_ours {
            repository.set(name, None)?;
        }
        if is_ours { &mut done } else { &mut kept }.push(name.to_owned());
    }
    report("Removed", &done, &kept, output)
}

fn report(what: &str, done: &[String], kept: &[String], output: &Output) -> Result<(), Error> {
    if output.is_json() {
        return output.json(&json!({ "done": done, "kept": kept }));
    }
    done.iter().for_each(|one| output.say(format_args!("{what} {one}")));
    kept.iter().for_each(|one| output.say(format_args!("Kept {one}")));
    Ok(())
}

/// Returns how a shell starts this program: by its name if `PATH` has it, else by its path.
fn program() -> String {
    let name = format!("envconf{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_found = std::env::split_paths(&path).any(|directory| directory.join(&name).is_file());
    let own: Option<PathBuf> = std::env::current_exe().ok().filter(|_| !is_found);
    match own.as_deref().and_then(Path::to_str) {
        Some(own) => format!("'{}'", own.replace('\'', r"'\''")),
        None => "envconf".to_owned(),
    }
}
