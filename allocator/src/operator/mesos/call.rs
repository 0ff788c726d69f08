//! Calls of Mesos' v1 operator API.

use super::{
    Door, answers, events,
    legacy::file_refused,
    logging, maintenance,
    table::refusal,
    writes::{refused, write},
};
use crate::log::verbosity;
use crate::mesos::{
    http::{Format, read, refuse, wanted},
    master::{Master, VERSION},
    pieces,
};
use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use headroom_proto::mesos::v1::{
    Flag, VersionInfo,
    master::{Call, Response as Answer, call::Type, response, response::Type as AnswerType},
};

impl Door {
    pub(super) async fn call(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        master: Master,
    ) -> Result<Response, Box<Response>> {
        let call: Call = read(headers, body)?;
        let format = wanted(headers)?;
        if let Some((code, why)) = refusal(call.r#type()) {
            let name = call.r#type().as_str_name();
            return Err(refuse(code, format!("{name} is not supported: {why}")));
        }
        match call.r#type() {
            Type::Subscribe => return events::subscribe(self, format, master).await,
            Type::SetLoggingLevel => {
                let wish = call.set_logging_level.ok_or_else(|| missing("set_logging_level"))?;
                return logging::set(&wish);
            }
            Type::ListFiles | Type::ReadFile => return self.files(format, call).await,
            _ => {}
        }
        let Some(kind) = answer_type(call.r#type()) else {
            return write(&self.0.driver, call).await.map(|code| code.into_response());
        };
        if let Some(answer) = self.at_once(kind, &master) {
            return Ok(answered(format, format.write(&answer)));
        }
        let around = self.around();
        let question = format!("{kind:?} {format:?} {}", master.address);
        let text = self.written(question, move |snapshot| {
            let mut answer = of(kind);
            match kind {
                AnswerType::GetState => answer.get_state = Some(answers::state(snapshot, &master)),
                AnswerType::GetAgents => {
                    answer.get_agents = Some(answers::agents(snapshot, &master));
                }
                AnswerType::GetFrameworks => {
                    answer.get_frameworks = Some(answers::frameworks(snapshot));
                }
                AnswerType::GetExecutors => {
                    answer.get_executors = Some(answers::executors(snapshot));
                }
                AnswerType::GetTasks => answer.get_tasks = Some(answers::tasks(snapshot)),
                AnswerType::GetRoles => answer.get_roles = Some(answers::roles(snapshot)),
                AnswerType::GetWeights => answer.get_weights = Some(answers::weights(snapshot)),
                AnswerType::GetOperations => {
                    answer.get_operations = Some(answers::operations(snapshot));
                }
                AnswerType::GetMaintenanceStatus => {
                    let status = maintenance::status(snapshot);
                    answer.get_maintenance_status = Some(response::GetMaintenanceStatus { status });
                }
                AnswerType::GetMaintenanceSchedule => {
                    let schedule = maintenance::schedule(&snapshot.maintenance);
                    answer.get_maintenance_schedule =
                        Some(response::GetMaintenanceSchedule { schedule });
                }
                AnswerType::GetQuota => answer.get_quota = Some(answers::quota(snapshot)),
                _ => {
                    answer.get_metrics = Some(answers::metrics_out(snapshot, &around));
                }
            }
            format.write(&answer)
        });
        let text = text.await.map_err(|error| refused(&error))?;
        Ok(answered(format, text))
    }

    /// A piece of the log, or nothing: there are no directories.
    async fn files(&self, format: Format, call: Call) -> Result<Response, Box<Response>> {
        let files = &self.0.files;
        let answer = match call.r#type() {
            Type::ListFiles => {
                let asked = call.list_files.ok_or_else(|| missing("list_files"))?;
                files.find(&asked.path).map_err(|error| file_refused(&error))?;
                let list_files = Some(response::ListFiles::default());
                Answer { list_files, ..of(AnswerType::ListFiles) }
            }
            _ => {
                let asked = call.read_file.ok_or_else(|| missing("read_file"))?;
                let read = files.read(&asked.path, asked.offset, asked.length).await;
                let (size, data) = read.map_err(|error| file_refused(&error))?;
                let read_file = Some(response::ReadFile { size, data: data.into() });
                Answer { read_file, ..of(AnswerType::ReadFile) }
            }
        };
        Ok(answered(format, format.write(&answer)))
    }

    /// What is answered without a look at the core.
    fn at_once(&self, kind: AnswerType, master: &Master) -> Option<Answer> {
        let inner = &*self.0;
        let mut answer = of(kind);
        match kind {
            AnswerType::GetHealth => {
                let healthy = inner.driver.trouble().is_none() && inner.driver.runs();
                answer.get_health = Some(response::GetHealth { healthy });
            }
            AnswerType::GetFlags => {
                let flags = inner.flags.iter();
                let flag = |(name, value): (&String, &String)| Flag {
                    name: name.clone(),
                    value: Some(value.clone()),
                };
                answer.get_flags = Some(response::GetFlags { flags: flags.map(flag).collect() });
            }
            AnswerType::GetVersion => {
                let version = VERSION.to_owned();
                let version_info = VersionInfo { version, ..VersionInfo::default() };
                answer.get_version = Some(response::GetVersion { version_info });
            }
            AnswerType::GetLoggingLevel => {
                let level = verbosity();
                answer.get_logging_level = Some(response::GetLoggingLevel { level });
            }
            AnswerType::GetMaster => {
                answer.get_master = Some(response::GetMaster {
                    master_info: Some(master.info()),
                    start_time: Some(self.started_s()),
                    elected_time: Some(self.started_s()),
                });
            }
            _ => return None,
        }
        Some(answer)
    }
}

fn missing(what: &str) -> Box<Response> {
    refuse(StatusCode::BAD_REQUEST, format!("Expecting '{what}' to be present"))
}

fn of(kind: AnswerType) -> Answer {
    Answer { r#type: Some(kind.into()), ..Answer::default() }
}

/// A whole body, with its length: clients take one without for a stream.
fn answered(format: Format, text: impl Into<Bytes>) -> Response {
    let body = pieces::body(text.into());
    (StatusCode::OK, [(header::CONTENT_TYPE, format.media_type())], body).into_response()
}

/// The type of the answer; calls that change something have none. Both are named alike.
fn answer_type(call: Type) -> Option<AnswerType> {
    AnswerType::from_str_name(call.as_str_name())
}
