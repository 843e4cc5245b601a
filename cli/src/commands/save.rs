//! `footpost save`

use super::absolute;
use crate::{
    args::Save,
    control::{Client, Reply, Request, misunderstood},
    failure::Failure,
    output::{Output, bytes},
    profile::Profile,
};
use serde::Serialize;

#[derive(Serialize)]
struct Saved {
    file: String,
    size_bytes: u64,
}

pub(crate) fn save(profile: &Profile, args: &Save, out: Output) -> Result<(), Failure> {
    let request = Request::Save { message: args.message, file: absolute(&args.file)? };
    let Reply::Saved { size_bytes } = Client::reach(profile)?.ask(request)? else {
        return Err(misunderstood());
    };
    out.fact(&Saved { file: args.file.display().to_string(), size_bytes }, |saved| {
        format!("Made {} ({})", saved.file, bytes(saved.size_bytes))
    })
}
