//! The options for the program's schema.

use std::path::PathBuf;

use envconf::{Error, Schema};

#[derive(clap::Args)]
pub(crate) struct SchemaArgs {
    /// Reject what this JSON Schema rejects
    ///
    /// T::json_schema() of the program returns the schema.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,

    /// Assume that the program has this environment variable
    ///
    /// You can repeat this option, or separate names with commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "schema")]
    env_provides: Vec<String>,
}

impl SchemaArgs {
    /// Returns the schema, if one is given.
    ///
    /// # Errors
    /// The errors of [`Schema::read`] and [`Schema::provided`].
    pub(crate) fn read(&self) -> Result<Option<Schema>, Error> {
        let Some(file) = &self.schema else { return Ok(None) };
        let provided = |schema: Schema, name: &String| schema.provided(name);
        self.env_provides.iter().try_fold(Schema::read(file)?, provided).map(Some)
    }
}
