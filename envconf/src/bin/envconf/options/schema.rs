//! The options about the program's schema.

use std::path::PathBuf;

use envconf::{Error, Schema};

#[derive(clap::Args)]
pub(crate) struct SchemaArgs {
    /// Go by this schema of the program
    ///
    /// What T::json_schema() writes.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,

    /// Take this variable for set where the program runs; repeatable
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "schema")]
    env_provides: Vec<String>,
}

impl SchemaArgs {
    /// The schema, if one is given.
    ///
    /// # Errors
    /// As for [`Schema::read`] and [`Schema::provided`].
    pub(crate) fn read(&self) -> Result<Option<Schema>, Error> {
        let Some(file) = &self.schema else { return Ok(None) };
        let provided = |schema: Schema, name: &String| schema.provided(name);
        self.env_provides.iter().try_fold(Schema::read(file)?, provided).map(Some)
    }
}
