//! Settings of the caller that would remedy a failure.

/// The setting that the caller can change to fix a failure; see [`Error::remedy`](crate::Error::remedy).
///
/// [`Error::advice`](crate::Error::advice) names environment variables, attributes and functions, for programs in
/// general. A program with an option for the same setting, such as the `envconf` command, names that option instead.
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
    /// A signing key for a new pair whose recipients are all public keys, so that anybody could make it.
    SigningKeyForPublicKeys,
    /// A signing key for the new pair, or the decision to seal it unsigned.
    SigningKeyOrUnsigned,
    /// The environment variables that the program has where it runs.
    ProvidedVariables,
    /// The policy file.
    PolicyFile,
    /// The roles of the two files of Tencent's envelope guide: the wrapped key, and the encrypted text.
    GuideFiles,
    /// Permission to set a value of any type.
    Literal,
    /// Permission to seal dotenv lines that common readers read differently.
    AsIs,
    /// Permission to leave out keys that are not valid names of environment variables.
    SkipUnnamed,
    /// A prefix for the exported environment variables, or permission for these names.
    ExportedNames(Vec<String>),
}
