//! Settings of the caller that would remedy a failure.

/// The setting that the caller can change to fix a failure; see [`Error::remedy`](crate::Error::remedy).
///
/// [`Error::advice`](crate::Error::advice) says it for a program: by environment variables, attributes and functions. A
/// program with an option for the same setting, such as the `envconf` command, names that option instead.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// The name and environment of the pair.
    Identity,
    /// The type of the content.
    ContentType,
    /// The trusted keys.
    Trust,
    /// The keys to seal for.
    Recipients,
    /// The signers whose signatures a reader requires.
    Signers,
    /// A signing key for the new pair.
    SigningKey,
    /// A signing key for a new pair whose recipients all are public keys, so that anybody could make it.
    SigningKeyForPublicKeys,
    /// A signing key for the new pair, or the decision to seal it unsigned.
    SigningKeyOrUnsigned,
    /// The environment variables that the program will have where it runs.
    ProvidedVariables,
    /// The policy file.
    PolicyFile,
    /// Which of the two files of Tencent's envelope guide holds the wrapped key, and which the encrypted text.
    GuideFiles,
    /// A value that may be of any type.
    Literal,
    /// Dotenv lines that common readers read differently, kept as they are.
    AsIs,
    /// Keys without the name of an environment variable, left out.
    SkipUnnamed,
    /// A prefix of the exported environment variables, or leave for these names of variables.
    ExportedNames(Vec<String>),
}
