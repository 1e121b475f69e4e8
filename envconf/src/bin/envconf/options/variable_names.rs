//! Which names a configuration may give to variables: not those that loaders, shells and runtimes obey.

use envconf::{Error, Exported, Kind};

use super::target::Target;
use crate::output::{Output, shown};

/// Who sets one of these chooses what code a program runs. docs/command.md has the same table.
const NAMES: &[&str] = &[
    // Where most programs look for files that say what they run.
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_DATA_HOME",
    "XDG_DATA_DIRS",
    // Shells.
    "PATH",
    "SHELL",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "FPATH",
    "ZDOTDIR",
    // The C library.
    "GCONV_PATH",
    "GETCONF_DIR",
    "GLIBC_TUNABLES",
    "HOSTALIASES",
    "LOCPATH",
    "NIS_PATH",
    "NLSPATH",
    "RESOLV_HOST_CONF",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    // Languages.
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONBREAKPOINT",
    "PYTHONUSERBASE",
    "PYTHONINSPECT",
    "PYTHONWARNINGS",
    "PYTHONPLATLIBDIR",
    "PYTHONEXECUTABLE",
    "PERL5LIB",
    "PERL5OPT",
    "PERL5DB",
    "PERL5SHELL",
    "PERLLIB",
    "RUBYLIB",
    "RUBYOPT",
    "GEM_HOME",
    "GEM_PATH",
    "BUNDLE_GEMFILE",
    "NODE_OPTIONS",
    "NODE_PATH",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
    "JAVA_HOME",
    "JAVA_OPTS",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "LUA_INIT",
    "LUA_PATH",
    "LUA_CPATH",
    "ERL_FLAGS",
    "ERL_AFLAGS",
    "ERL_ZFLAGS",
    "ELIXIR_ERL_OPTIONS",
    "DOTNET_ROOT",
    "DOTNET_STARTUP_HOOKS",
    "DOTNET_ADDITIONAL_DEPS",
    "DOTNET_SHARED_STORE",
    "GOFLAGS",
    "CARGO_HOME",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "MAKEFLAGS",
    // Programs that others start.
    "EDITOR",
    "VISUAL",
    "PAGER",
    "MANPAGER",
    "BROWSER",
    "LESSOPEN",
    "LESSCLOSE",
    "SSH_ASKPASS",
    "SUDO_ASKPASS",
];

/// The same for all names that begin so; envconf's own settings among them.
const BEGINNINGS: &[&str] = &[
    "LD_",
    "DYLD_",
    "MALLOC_",
    "BASH_FUNC_",
    "GIT_",
    "NPM_CONFIG_",
    "npm_config_",
    "CORECLR_",
    "CARGO_BUILD_",
    "CARGO_TARGET_",
    "RUSTUP_",
    "ENVCONF_",
];

fn is_obeyed(name: &str) -> bool {
    NAMES.contains(&name) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// The configuration as variables, each of them harmless or allowed by name.
///
/// # Errors
/// As for [`envconf::export`]; [`Kind::DoesNotFit`] for names that are obeyed and not in `allowed`.
pub(crate) fn variables(
    target: &Target,
    global: &super::global::Global,
    prefix: Option<&str>,
    allowed: &[String],
    output: &Output,
) -> Result<Exported, Error> {
    let exported = envconf::export(&target.pair, &target.policy(global)?, &target.services(output)?, prefix)?;
    let names = exported.variables().iter().map(|variable| variable.name());
    let obeyed: Vec<_> =
        names.filter(|name| is_obeyed(name) && !allowed.iter().any(|allowed| allowed == name)).collect();
    if obeyed.is_empty() {
        return Ok(exported);
    }
    let message = format!("{}: names that programs obey: {}", shown(target.pair.enc()), obeyed.join(" "));
    Err(Error::new(Kind::DoesNotFit, message).advise(
        "who sets them chooses what code runs: rename them, give --env-prefix, or allow each with --allow NAME",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_obeyed_is_told_from_what_is_not() {
        for name in [
            "PATH",
            "LD_PRELOAD",
            "DYLD_INSERT_LIBRARIES",
            "GIT_SSH_COMMAND",
            "ENVCONF_TRUST",
            "HOME",
            "PYTHONWARNINGS",
            "CORECLR_PROFILER_PATH_64",
            "ERL_AFLAGS",
        ] {
            assert!(is_obeyed(name), "{name}");
        }
        for name in
            ["APP__PATH", "DATABASE_URL", "ld_preload", "LDAP_URL", "GITHUB_TOKEN", "CARGO_REGISTRY_TOKEN"]
        {
            assert!(!is_obeyed(name), "{name}");
        }
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let page = include_str!("../../../../docs/command.md");
        let start = page.find("Names that programs obey").unwrap();
        let section = &page[start..start + page[start..].find("\n### ").unwrap()];
        let documented: Vec<&str> = section.split('`').skip(1).step_by(2).collect();
        let beginnings: Vec<String> = BEGINNINGS.iter().map(|beginning| format!("{beginning}*")).collect();
        let known: Vec<&str> = NAMES.iter().copied().chain(beginnings.iter().map(String::as_str)).collect();
        for name in &known {
            assert!(documented.contains(name), "{name} is not documented");
        }
        assert!(
            documented.iter().all(|name| known.contains(name) || name.starts_with("--")),
            "{documented:?}"
        );
    }
}
