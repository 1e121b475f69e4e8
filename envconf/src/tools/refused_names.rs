//! The environment variable names that [`export`](crate::tools::export()) refuses, each with a category.
//!
//! A name is in the table if its value chooses the code that a program runs, the server that it talks to, or the
//! credentials that it uses. The table cannot be complete: a program may read variables that envconf does not know.
//!
//! Case is not significant. Windows does not distinguish case, and some programs read a name in both cases, such as
//! `http_proxy` and `npm_config_registry`.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::base::suggest::nearest;
use crate::base::{Error, Kind, escape};

/// The kind of program or library that reads a refused name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameCategory {
    /// The dynamic loader, the C library, the allocator, and libraries that load plugins.
    Loader,
    /// Shells and terminal multiplexers.
    Shell,
    /// Language runtimes.
    Interpreter,
    /// Compilers, build tools, package managers and deployment tools.
    BuildTool,
    /// Editors, pagers, browsers and other tools that programs start.
    Editor,
    /// Version control, SSH, GnuPG and password stores.
    VersionControl,
    /// Proxies, certificate files and the settings of HTTP clients.
    ProxyAndTls,
    /// Credentials, endpoints and configuration files of clouds, clusters and secret managers.
    CloudCredentials,
    /// Configuration files and plugins of database clients.
    Database,
    /// Home, configuration and temporary directories, terminals, the desktop and the service manager.
    Session,
    /// Settings of envconf.
    Envconf,
}

impl NameCategory {
    /// All categories, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Loader,
        Self::Shell,
        Self::Interpreter,
        Self::BuildTool,
        Self::Editor,
        Self::VersionControl,
        Self::ProxyAndTls,
        Self::CloudCredentials,
        Self::Database,
        Self::Session,
        Self::Envconf,
    ];

    /// Returns the category's name, such as `cloud-credentials`. An [`AllowedName`] can be a category's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loader => "loader",
            Self::Shell => "shell",
            Self::Interpreter => "interpreter",
            Self::BuildTool => "build-tool",
            Self::Editor => "editor",
            Self::VersionControl => "version-control",
            Self::ProxyAndTls => "proxy-and-tls",
            Self::CloudCredentials => "cloud-credentials",
            Self::Database => "database",
            Self::Session => "session",
            Self::Envconf => "envconf",
        }
    }

    /// Returns the category of `name`, or `None` if the name is not in the table.
    ///
    /// The longest entry decides: `GIT_SSL_CAINFO` matches `GIT_SSL_*` and `GIT_*`, and is [`Self::ProxyAndTls`].
    pub fn of(name: &str) -> Option<Self> {
        let first = name.bytes().next()?.to_ascii_uppercase();
        let matching = by_first_letter().get(&first)?.iter().filter(|(_, entry)| matches(entry, name));
        matching.max_by_key(|(_, entry)| entry.trim_end_matches('*').len()).map(|(category, _)| *category)
    }

    /// Returns the entries of this category, sorted. An entry is a name, or the beginning of names followed by `*`.
    pub fn entries(self) -> impl Iterator<Item = &'static str> {
        table().filter(move |(category, _)| *category == self).map(|(_, entry)| entry)
    }
}

impl fmt::Display for NameCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A permission to use refused names: one name, an entry such as `AWS_*`, or a category such as `cloud-credentials`.
///
/// A name allows exactly this spelling.
///
/// # Errors
/// Parsing returns [`Kind::Usage`], with a suggestion, for a text that is not in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedName(Allowance);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowance {
    Name(String),
    Entry(&'static str),
    Category(NameCategory),
}

impl AllowedName {
    pub(crate) fn allows(&self, name: &str, category: NameCategory) -> bool {
        match &self.0 {
            Allowance::Name(allowed) => allowed == name,
            Allowance::Entry(entry) => matches(entry, name),
            Allowance::Category(allowed) => *allowed == category,
        }
    }
}

impl FromStr for AllowedName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(category) = NameCategory::ALL.into_iter().find(|category| category.name() == text) {
            return Ok(Self(Allowance::Category(category)));
        }
        if let Some((_, entry)) = table().find(|(_, entry)| entry.ends_with('*') && *entry == text) {
            return Ok(Self(Allowance::Entry(entry)));
        }
        if crate::syntax::dotenv::is_name(text) && NameCategory::of(text).is_some() {
            return Ok(Self(Allowance::Name(text.to_owned())));
        }
        let known =
            NameCategory::ALL.into_iter().map(NameCategory::name).chain(table().map(|(_, entry)| entry));
        let advice = match nearest(text, known) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => {
                let categories = NameCategory::ALL.map(NameCategory::name).join(", ");
                format!("only refused names need a permission; their categories are {categories}")
            }
        };
        Err(Error::new(Kind::Usage, format!("`{}` is not a refused name", escape(text))).advise(advice))
    }
}

/// Returns the entries with their categories, in the order of the documentation.
fn table() -> impl Iterator<Item = (NameCategory, &'static str)> {
    TABLE
        .iter()
        .flat_map(|(category, entries)| entries.split_ascii_whitespace().map(|entry| (*category, entry)))
}

/// Returns the table, indexed by the first letter in upper case. Content may have a million names to look up.
fn by_first_letter() -> &'static HashMap<u8, Vec<(NameCategory, &'static str)>> {
    static INDEX: OnceLock<HashMap<u8, Vec<(NameCategory, &'static str)>>> = OnceLock::new();
    INDEX.get_or_init(|| {
        let mut index: HashMap<u8, Vec<_>> = HashMap::new();
        for (category, entry) in table() {
            let first = entry.bytes().next().unwrap_or_default().to_ascii_uppercase();
            index.entry(first).or_default().push((category, entry));
        }
        index
    })
}

fn matches(entry: &str, name: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(beginning) => {
            name.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
        }
        None => entry.eq_ignore_ascii_case(name),
    }
}

/// The table. The page docs/refused-names.md is generated from it; a test compares them.
///
/// Sources: glibc's `unsecvars.h`, sudo's `env.c`, and the manuals of the programs.
const TABLE: &[(NameCategory, &str)] = &[
    (
        NameCategory::Loader,
        "\
         ALSA_CONFIG_* ASAN_* CHROME_DEVEL_SANDBOX CNI_PATH COMPLUS_* COR_* CUDA_INJECTION32_PATH \
         CUDA_INJECTION64_PATH DEBUGINFOD_URLS DYLD_* FREI0R_PATH GCONV_PATH GDAL_DRIVER_PATH \
         GDK_PIXBUF_MODULEDIR GDK_PIXBUF_MODULE_FILE GEGL_PATH GETCONF_DIR GIO_EXTRA_MODULES \
         GIO_MODULE_DIR GLIBC_TUNABLES GST_PLUGIN_* GTK_EXE_PREFIX GTK_IM_MODULE_FILE GTK_MODULES \
         GTK_PATH HOSTALIASES KRB5_* LADSPA_PATH LDR_* LD_* LIBCLANG_PATH LIBGL_DRIVERS_PATH LIBPATH \
         LIBVA_DRIVERS_PATH LLVM_PROFILE_FILE LLVM_SYMBOLIZER_PATH LOCALDOMAIN LOCPATH LSAN_* MAGICK_* \
         MALLOC_* MIMALLOC_* MSAN_* MUSL_LOCPATH NIS_PATH NLSPATH OCL_ICD_* OMPI_MCA_* OMP_TOOL_LIBRARIES \
         OPENSSL_* P11_KIT_* PATH_LOCALE QML2_IMPORT_PATH QML_IMPORT_PATH QT_PLUGIN_PATH \
         QT_QPA_PLATFORM_PLUGIN_PATH RESOLV_HOST_CONF RES_OPTIONS SASL_CONF_PATH SASL_PATH SHLIB_PATH \
         SLURM_CONF TCMALLOC_* TEXTDOMAINDIR TSAN_* TZDIR UBSAN_* VK_ADD_LAYER_PATH VK_DRIVER_FILES \
         VK_ICD_FILENAMES VK_LAYER_PATH _RJEM_* _RLD* __COMPAT_LAYER",
    ),
    (
        NameCategory::Shell,
        "\
         BASHOPTS BASH_* CDPATH COMSPEC DIRENV_* ENV EXECIGNORE FIGNORE FISH_* FPATH FZF_* GLOBIGNORE \
         HISTFILE IFS INPUTRC MAILPATH NULLCMD NU_LIB_DIRS NU_PLUGIN_DIRS PATH PATHEXT POWERSHELL_* \
         PROMPT PROMPT2 PROMPT3 PROMPT4 PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4 PSMODULEPATH READNULLCMD \
         RPROMPT RPROMPT2 RPS1 RPS2 SCREENRC SHELL SHELLOPTS SPROMPT STARSHIP_CONFIG SYSSCREENRC \
         TMPPREFIX TMUX TMUX_TMPDIR XONSHRC XONSHRC_DIR XONSH_* ZDOTDIR ZSH ZSH_* __FISH_*",
    ),
    (
        NameCategory::Interpreter,
        "\
         ASPNETCORE_HOSTINGSTARTUPASSEMBLIES AWKLIBPATH AWKPATH BC_ENV_ARGS BUN_* CAMLLIB CAMLRUNPARAM \
         CAML_LD_LIBRARY_PATH CATALINA_* CELERY_CONFIG_MODULE CHICKEN_* CHROME_BIN CHROME_PATH CLASSPATH \
         CORECLR_* DENO_* DJANGO_SETTINGS_MODULE DOTNET_ADDITIONAL_DEPS DOTNET_ALTJIT* \
         DOTNET_BUNDLE_EXTRACT_BASE_DIR DOTNET_CLI_HOME DOTNET_DBG* DOTNET_DIAGNOSTICPORTS \
         DOTNET_EVENTPIPE* DOTNET_GCNAME DOTNET_GCPATH DOTNET_HOST_PATH DOTNET_JIT* DOTNET_ROOT* \
         DOTNET_SHARED_STORE DOTNET_STARTUP_HOOKS ELECTRON_* ELIXIR_* ERL_* ESCRIPT_* ES_JAVA_OPTS \
         FLASK_APP GEMRC GEM_HOME GEM_PATH GEM_SPEC_CACHE GHCRTS GHC_ENVIRONMENT GHC_PACKAGE_PATH \
         GNUPLOT_* GOCOVERDIR GODEBUG GORACE GROOVY_CONF GROOVY_HOME GUILE_* GUNICORN_CMD_ARGS \
         HADOOP_OPTS IBM_JAVA_OPTIONS IEX_* IPYTHONDIR IRBRC JAVACMD JAVA_* JDK_JAVA_OPTIONS JETTY_* \
         JPDA_* JQ_LIBRARY_PATH JRE_HOME JULIA_* JUPYTER_* JVM_OPTS KAFKA_OPTS KOTLIN_HOME LUAROCKS_* \
         LUA_* MATLABPATH MATPLOTLIBRC MONO_* MPLCONFIGDIR MYPYPATH NODE NODE_CHANNEL_FD \
         NODE_COMPILE_CACHE NODE_CONFIG_DIR NODE_ICU_DATA NODE_OPTIONS NODE_PATH NODE_PRESERVE_SYMLINKS \
         NODE_PRESERVE_SYMLINKS_MAIN NODE_REDIRECT_WARNINGS NODE_REPL_EXTERNAL_MODULE NODE_REPL_HISTORY \
         NODE_V8_COVERAGE OCAMLFIND_* OCAMLLIB OCAMLPATH OCAMLRUNPARAM OCTAVE_* OPENJ9_JAVA_OPTIONS \
         PERL5* PERLDB_OPTS PERLIO PERLIO_DEBUG PERLLIB PERL_* PHPRC PHP_INI_SCAN_DIR PHP_PEAR_* \
         PLTADDONDIR PLTCOLLECTS PLTUSERHOME PRISMA_QUERY_ENGINE_LIBRARY PRYRC PUPPETEER_EXECUTABLE_PATH \
         PYENV_* PYSPARK_* PYTEST_ADDOPTS PYTEST_PLUGINS PYTHON PYTHONBREAKPOINT PYTHONDUMPREFSFILE \
         PYTHONEXECUTABLE PYTHONHOME PYTHONINSPECT PYTHONNOUSERSITE PYTHONPATH PYTHONPLATLIBDIR \
         PYTHONPYCACHEPREFIX PYTHONSAFEPATH PYTHONSTARTUP PYTHONTZPATH PYTHONUSERBASE PYTHONWARNINGS \
         PYTHON_HISTORY PYTHON_PRESITE RBENV_* RELEASE_BOOT_SCRIPT RELEASE_BOOT_SCRIPT_CLEAN \
         RELEASE_REMOTE_VM_ARGS RELEASE_SYS_CONFIG RELEASE_VM_ARGS RUBYGEMS_GEMDEPS RUBYLIB \
         RUBYLIB_PREFIX RUBYOPT RUBYPATH RUBYSHELL R_BROWSER R_DEFAULT_PACKAGES R_ENVIRON R_ENVIRON_USER \
         R_HOME R_LD_PRELOAD R_LIBS R_LIBS_SITE R_LIBS_USER R_PDFVIEWER R_PROFILE R_PROFILE_USER \
         SBCL_HOME SCALA_HOME SPARK_HOME TCLLIBPATH TCL_* TK_LIBRARY TSX_* TS_NODE_* UWSGI_* VIRTUALENV_* \
         VIRTUAL_ENV _JAVA_*",
    ),
    (
        NameCategory::BuildTool,
        "\
         ACLOCAL ACLOCAL_PATH AC_MACRODIR ANDROID_HOME ANDROID_SDK_ROOT ANSIBLE_* ANT_* APT_CONFIG AR \
         ARFLAGS AS ASDF_* ASFLAGS AUTOCONF AUTOHEADER AUTOM4TE AUTOMAKE BAZELISK_* BAZEL_* BUILDKIT_HOST \
         BUILDX_* BUNDLER_* BUNDLE_* CABAL_* CARGO CARGO_ALIAS_* CARGO_BUILD_* CARGO_CREDENTIAL_ALIAS_* \
         CARGO_ENCODED_RUSTDOCFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_HOME CARGO_HOST_* CARGO_INSTALL_ROOT \
         CARGO_NET_* CARGO_PROFILE_* CARGO_REGISTRIES_* CARGO_REGISTRY_CREDENTIAL_PROVIDER \
         CARGO_REGISTRY_DEFAULT CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS CARGO_SOURCE_* CARGO_TARGET_* \
         CARGO_UNSTABLE_* CC CCACHE_* CCC_OVERRIDE_OPTIONS CFLAGS CGO_* CMAKE_* COLLECT_GCC* \
         COMPILER_PATH COMPOSER COMPOSER_* COMPOSE_* CONAN_* CONDARC CONDA_* CONFIG_SHELL CONFIG_SITE \
         CONTAINERS_* COREPACK_* CPATH CPLUS_INCLUDE_PATH CPP CPPFLAGS CTEST_* CXX CXXCPP CXXFLAGS \
         CYPRESS_RUN_BINARY C_INCLUDE_PATH DEBCONF_* DEPENDENCIES_OUTPUT DEVELOPER_DIR DISTCC_* \
         DISTUTILS_* DPKG_* DUNE_* ESBUILD_BINARY_PATH F77 FC FFLAGS GCCGO GCCGOTOOLDIR GCC_* \
         GNUMAKEFLAGS GO111MODULE GOAUTH GOBIN GOCACHE GOCACHEPROG GOENV GOEXPERIMENT GOFLAGS GOINSECURE \
         GOMODCACHE GONOPROXY GONOSUMCHECK GONOSUMDB GOPATH GOPRIVATE GOPROXY GOROOT GOSUMDB GOTMPDIR \
         GOTOOLCHAIN GOTOOLDIR GOVCS GOWORK GO_EXTLINK_ENABLED GRADLE_* GUIX_* HATCH_* HELM_* \
         HEX_CACERTS_PATH HEX_CDN HEX_HOME HEX_MIRROR HEX_UNSAFE_* HOMEBREW_* HOSTCC HOSTCXX HOST_CC \
         HOST_CXX ICECC_* KREW_ROOT KUSTOMIZE_* LD LDFLAGS LDLIBS LEIN_* LEX LIBRARY_PATH LIBTOOL \
         LIBTOOLIZE LOADLIBES M2_HOME M4 M4PATH MAKE MAKEFILES MAKEFLAGS MAKEOBJDIR MAKEOBJDIRPREFIX \
         MAKEOVERRIDES MAKESHELL MAKESYSPATH MAKE_COMMAND MAMBA_* MAVEN_ARGS MAVEN_BASEDIR MAVEN_CONFIG \
         MAVEN_HOME MAVEN_OPTS MAVEN_SKIP_RC MFLAGS MISE_* MIX_ARCHIVES MIX_EXS MIX_HOME MIX_INSTALL_DIR \
         MSBUILD* MVNW_* NASMENV NIX_* NM NODE_GYP_FORCE_PYTHON NOX_* NPM_CONFIG_* NPM_EXECPATH \
         NPM_NODE_EXECPATH NUGET_* NVM_* N_PREFIX OBJC_INCLUDE_PATH OPAM* ORG_GRADLE_PROJECT_* PACKER_* \
         PDM_* PIPENV_* PIPX_* PIP_* PKG_CONFIG PKG_CONFIG_* PNPM_* PODMAN_* POETRY_* PULUMI_HOME \
         QMAKEFEATURES QMAKEPATH QMAKESPEC RANLIB REBAR_* RPM_CONFIGDIR RUSTC RUSTC_* RUSTDOC \
         RUSTDOCFLAGS RUSTFLAGS RUSTFMT RUSTUP_* SASS_BINARY_PATH SBT_* SCCACHE_* SCONSFLAGS SDKMAN_DIR \
         SDKROOT SETUPTOOLS_* SKAFFOLD_* STACK_ROOT STACK_YAML SUNPRO_DEPENDENCIES TARGET_CC TARGET_CXX \
         TERRAGRUNT_* TEXINPUTS TEXMF* TF_CLI_* TF_DATA_DIR TF_LOG_PATH TF_PLUGIN_* TF_REATTACH_PROVIDERS \
         TOOLCHAINS TOX_* UNZIP UV_* VAGRANT_* VCPKG_* VOLTA_* VPATH XCODE_XCCONFIG_FILE XZ_OPT YACC \
         YARN_* ZIPOPT",
    ),
    (
        NameCategory::Editor,
        "\
         ACKRC ACK_OPTIONS ACK_PAGER ALTERNATE_EDITOR BAT_* BROWSER DELTA_PAGER EDITOR EMACSDATA EMACSDOC \
         EMACSLOADPATH EMACSPATH EMACS_* EXINIT FCEDIT GROFF_* GVIMINIT HELIX_RUNTIME JOERC KAKOUNE_* \
         KUBE_EDITOR LESS LESSCLOSE LESSEDIT LESSHISTFILE LESSKEY LESSKEYIN LESSKEYIN_SYSTEM \
         LESSKEY_CONTENT LESSKEY_SYSTEM LESSOPEN LESSSECURE LESSSECURE_ALLOW LYNX_CFG MAILCAPS MAILER \
         MAILRC MANLESS MANOPT MANPAGER MANPATH MANROFFOPT MANROFFSEQ MICRO_CONFIG_HOME MORE MYGVIMRC \
         MYVIMRC NEXINIT NNN_* NVIM NVIM_* PAGER RIPGREP_CONFIG_PATH RSYNC_* SELECTED_EDITOR SUDO_ASKPASS \
         SUDO_EDITOR TAR_OPTIONS TERMINAL VIM VIMINIT VIMRUNTIME VISUAL VSCODE_*",
    ),
    (
        NameCategory::VersionControl,
        "\
         BRZ_* BZR_* CVSEDITOR CVSROOT CVS_* DARCS_* FOSSIL_HOME GCM_* GH_BROWSER GH_CONFIG_DIR GH_EDITOR \
         GH_PAGER GH_PATH GIT_* GLAB_* GNUPGHOME GOPASS_* GPG_AGENT_INFO HG HGEDITOR HGMERGE HGRCPATH \
         JJ_* LEFTHOOK_* P4CONFIG P4DIFF P4EDITOR P4ENVIRO P4MERGE P4PAGER P4PORT PASSWORD_STORE_* \
         PINENTRY_USER_DATA PRE_COMMIT_* SSH_AGENT_PID SSH_ASKPASS SSH_ASKPASS_REQUIRE SSH_AUTH_SOCK \
         SSH_HOME SSH_PKCS11_HELPER SSH_SK_HELPER SSH_SK_PROVIDER SVN_* TIGRC_SYSTEM TIGRC_USER",
    ),
    (
        NameCategory::ProxyAndTls,
        "\
         ALL_PROXY AUTO_PROXY AWS_CA_BUNDLE CARGO_HTTP_* CURL_* FTP_PROXY GIT_PROXY_* GIT_SSL_* \
         GLOBAL_AGENT_* GNUTLS_* GRPC_DEFAULT_SSL_ROOTS_FILE_PATH GRPC_PROXY HTTPIE_CONFIG_DIR \
         HTTPLIB2_CA_CERTS HTTPS_CA_DIR HTTPS_CA_FILE HTTPS_PROXY HTTP_PROXY LDAPCONF LDAPRC LDAPTLS_* \
         NETRC NODE_EXTRA_CA_CERTS NODE_TLS_REJECT_UNAUTHORIZED NODE_USE_ENV_PROXY NODE_USE_SYSTEM_CA \
         NO_PROXY PERL_LWP_* PGREQUIRESSL PGSSL* PROXYCHAINS_* PYTHONHTTPSVERIFY REQUESTS_CA_BUNDLE \
         RSYNC_PROXY SOCKS5_SERVER SOCKS_PROXY SOCKS_SERVER SSLKEYLOGFILE SSL_CERT_DIR SSL_CERT_FILE \
         SYSTEM_CERTIFICATE_PATH SYSTEM_WGETRC WEBSOCKET_CLIENT_CA_BUNDLE WGETRC WSS_PROXY WS_PROXY",
    ),
    (
        NameCategory::CloudCredentials,
        "\
         ALIBABACLOUD_* ALIBABA_CLOUD_* ALICLOUD_* ALIYUN_* ARM_* AWS_* AZURE_* BAO_* BCE_* \
         BOTO_CONFIG BOTO_PATH CF_API_KEY CF_API_TOKEN CLOUDFLARE_* CLOUDSDK_* CONSUL_* \
         CONTAINER_HOST CONTAINER_SSHKEY DATABRICKS_* DIGITALOCEAN_* DOCKER_AUTH_CONFIG \
         DOCKER_CERT_PATH DOCKER_CLI_* DOCKER_CONFIG DOCKER_CONTENT_TRUST* DOCKER_CONTEXT \
         DOCKER_HOST DOCKER_TLS* DOPPLER_* ECS_CONTAINER_METADATA_URI* ENVCONF_AWS_* \
         ENVCONF_TENCENT_* ENVCONF_VAULT_* EXOSCALE_* FLY_ACCESS_TOKEN FLY_API_TOKEN \
         GCE_METADATA_* GCLOUD_KEYFILE_JSON GOOGLE_API_CERTIFICATE_CONFIG GOOGLE_API_USE_* \
         GOOGLE_APPLICATION_CREDENTIALS GOOGLE_CLOUD_KEYFILE_JSON GOOGLE_CREDENTIALS \
         GOOGLE_EXTERNAL_ACCOUNT_* GOOGLE_GHA_CREDS_PATH GOOGLE_IMPERSONATE_SERVICE_ACCOUNT \
         GOOGLE_OAUTH_ACCESS_TOKEN HCLOUD_* HEROKU_API_KEY HUAWEICLOUD_* HW_ACCESS_KEY \
         HW_SECRET_KEY IBMCLOUD_* IC_API_KEY IDENTITY_ENDPOINT IDENTITY_HEADER \
         IDENTITY_SERVER_THUMBPRINT IMDS_ENDPOINT INFISICAL_* KUBECONFIG KUBERNETES_* KUBE_* \
         LINODE_* MC_CONFIG_DIR MC_HOST_* MSI_ENDPOINT MSI_SECRET NETLIFY_AUTH_TOKEN NOMAD_* OCI_* \
         OP_CONNECT_* OP_SERVICE_ACCOUNT_TOKEN OP_SESSION_* OS_APPLICATION_CREDENTIAL_* OS_AUTH_* \
         OS_CACERT OS_CERT OS_CLIENT_CONFIG_FILE OS_CLOUD OS_KEY OS_PASSWORD OS_TOKEN OS_USERNAME \
         OVH_* PULUMI_ACCESS_TOKEN PULUMI_CONFIG_PASSPHRASE* QCLOUD_* RCLONE_* REGISTRY_AUTH_FILE \
         SCW_* SOPS_* SPIFFE_ENDPOINT_SOCKET TCCLI_* TENCENTCLOUD_* TF_TOKEN_* TKE_* VAULT_* \
         VERCEL_TOKEN VOLCENGINE_* VOLC_* VULTR_API_KEY YC_*",
    ),
    (
        NameCategory::Database,
        "\
         FREETDS FREETDSCONF LIBMYSQL_* MARIADB_HOME MYSQL_GROUP_SUFFIX MYSQL_HISTFILE MYSQL_HOME \
         MYSQL_TEST_LOGIN_FILE ODBCINI ODBCINSTINI ODBCSYSINI ORACLE_HOME PGLOCALEDIR PGOPTIONS \
         PGPASSFILE PGSERVICE PGSERVICEFILE PGSYSCONFDIR PSQLRC PSQL_* REDISCLI_HISTFILE REDISCLI_RCFILE \
         SQLITE_HISTORY SQLITE_TMPDIR SYBASE TNS_ADMIN USQLRC",
    ),
    (
        NameCategory::Session,
        "\
         APPDATA CFFIXED_USER_HOME DBUS_* FONTCONFIG_* HOME HOMEDRIVE HOMEPATH LISTEN_FDNAMES LISTEN_FDS \
         LISTEN_PID LOCALAPPDATA MAGIC NOTIFY_SOCKET PROGRAMDATA SYSTEMD_* SYSTEMROOT TERMCAP TERMINFO \
         TERMINFO_DIRS TERMPATH TMPDIR USERPROFILE WINDIR XAPPLRESDIR XDG_* XENVIRONMENT XFILESEARCHPATH \
         XLOCALEDIR XUSERFILESEARCHPATH",
    ),
    (NameCategory::Envconf, "ENVCONF_*"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_category_has_sorted_entries_and_no_entry_is_redundant() {
        let mut seen = BTreeSet::new();
        let order: Vec<_> = TABLE.iter().map(|(category, _)| *category).collect();
        assert_eq!(order, NameCategory::ALL);
        for category in NameCategory::ALL {
            let entries: Vec<_> = category.entries().collect();
            assert!(!entries.is_empty(), "{category}");
            assert!(entries.is_sorted(), "{category}");
            for entry in &entries {
                let name = entry.strip_suffix('*').unwrap_or(entry);
                assert!(crate::syntax::dotenv::is_name(name) && name == name.to_ascii_uppercase(), "{entry}");
                assert!(seen.insert(name.to_owned()), "{entry} is in the table twice");
                assert_eq!(NameCategory::of(name), Some(category), "{entry}");
                let others = entries.iter().filter(|other| *other != entry && other.ends_with('*'));
                for other in others {
                    assert!(!matches(other, name), "{other} covers {entry}");
                }
            }
        }
    }

    #[test]
    fn names_have_their_categories() {
        use NameCategory as C;
        for (name, category) in [
            ("LD_PRELOAD", C::Loader),
            ("DYLD_INSERT_LIBRARIES", C::Loader),
            ("gconv_path", C::Loader),
            ("PATH", C::Shell),
            ("Path", C::Shell),
            ("BASH_FUNC_ls", C::Shell),
            ("ps4", C::Shell),
            ("PYTHONPYCACHEPREFIX", C::Interpreter),
            ("CORECLR_PROFILER_PATH_64", C::Interpreter),
            ("ERL_AFLAGS", C::Interpreter),
            ("gnumakeflags", C::BuildTool),
            ("npm_config_script_shell", C::BuildTool),
            ("VIMINIT", C::Editor),
            ("GIT_SSH_COMMAND", C::VersionControl),
            ("GIT_SSL_CAINFO", C::ProxyAndTls),
            ("http_proxy", C::ProxyAndTls),
            ("CURL_HOME", C::ProxyAndTls),
            ("AWS_CA_BUNDLE", C::ProxyAndTls),
            ("AWS_SECRET_ACCESS_KEY", C::CloudCredentials),
            ("TENCENTCLOUD_SECRET_KEY", C::CloudCredentials),
            ("TKE_ROLE_ARN", C::CloudCredentials),
            ("PSQLRC", C::Database),
            ("HOME", C::Session),
            ("ENVCONF_TRUST", C::Envconf),
            ("ENVCONF_VAULT_SECRET_ID_FILE", C::CloudCredentials),
            ("ENVCONF_AWS_ROLE_ARN", C::CloudCredentials),
            ("ENVCONF_TENCENT_ENDPOINT", C::CloudCredentials),
        ] {
            assert_eq!(NameCategory::of(name), Some(category), "{name}");
        }
        for name in [
            "APP__PATH",
            "CARGO_REGISTRY_TOKEN",
            "DATABASE_URL",
            "GITHUB_TOKEN",
            "LDAP_URL",
            "NODE_ENV",
            "PATHS",
            "PGPASSWORD",
            "PORT",
            "é",
            "",
        ] {
            assert_eq!(NameCategory::of(name), None, "{name}");
        }
    }

    #[test]
    fn a_permission_is_a_name_an_entry_or_a_category() {
        let allows = |text: &str, name: &str| {
            let allowed: AllowedName = text.parse().unwrap();
            allowed.allows(name, NameCategory::of(name).unwrap())
        };
        assert!(allows("LD_PRELOAD", "LD_PRELOAD") && !allows("LD_PRELOAD", "LD_AUDIT"));
        assert!(!allows("path", "PATH"), "only the allowed spelling");
        assert!(allows("AWS_*", "AWS_REGION") && !allows("AWS_*", "AZURE_CLIENT_ID"));
        assert!(allows("cloud-credentials", "VAULT_TOKEN") && !allows("cloud-credentials", "AWS_CA_BUNDLE"));
        let fails = |text: &str| {
            let error = text.parse::<AllowedName>().unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            error.to_string()
        };
        assert_eq!(fails("NODE_OPTION"), "`NODE_OPTION` is not a refused name\ndid you mean NODE_OPTIONS?");
        assert_eq!(
            fails("cloud-credential"),
            "`cloud-credential` is not a refused name\ndid you mean cloud-credentials?"
        );
        assert!(fails("A\x1bB").starts_with("`A\\u{1b}B` is not a refused name\nonly refused names"));
        for text in ["", "*", "A*", "LD_PRE*", "LD_PRELOAD ", "LD_PRELOAD=x", "DATABASE_URL"] {
            fails(text);
        }
    }

    /// Run this test with `BLESS=1` to write the page.
    #[test]
    fn the_documentation_has_the_table() {
        const START: &str = "<!-- Generated from envconf/src/tools/refused_names.rs. -->\n";
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/refused-names.md");
        let text = std::fs::read_to_string(page).unwrap();
        let (intro, documented) = text.split_once(START).unwrap();
        let mut expected = String::new();
        for category in NameCategory::ALL {
            let entries: Vec<_> = category.entries().map(|entry| format!("`{entry}`")).collect();
            expected += &format!("\n## `{category}`\n\n{}\n", wrapped(&entries));
        }
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(page, format!("{intro}{START}{expected}")).unwrap();
            return;
        }
        assert!(documented == expected, "docs/refused-names.md is out of date: run this test with BLESS=1");
        for category in NameCategory::ALL {
            assert!(
                intro.contains(&format!("| `{category}` |")),
                "{category} is not in the list of categories"
            );
        }
    }

    /// Wraps words into lines of at most 100 characters.
    fn wrapped(words: &[String]) -> String {
        let mut lines: Vec<String> = Vec::new();
        for word in words {
            match lines.last_mut() {
                Some(line) if line.len() + word.len() < 100 => *line += &format!(" {word}"),
                _ => lines.push(word.clone()),
            }
        }
        lines.join("\n")
    }

    /// `exec --drop-credentials` removes the variables of this category. `exec` always removes local keys and age
    /// identities.
    #[test]
    fn the_credentials_of_every_key_service_are_credentials() {
        let cloud = crate::base::provider::Provider::all()
            .iter()
            .filter(|provider| !matches!(provider.name, "local" | "age"));
        let entries: Vec<_> = cloud.flat_map(|provider| provider.credentials).collect();
        assert!(entries.len() >= 8);
        for entry in entries {
            let name = entry.replace('*', "X");
            assert_eq!(NameCategory::of(&name), Some(NameCategory::CloudCredentials), "{entry}");
        }
    }
}
