//! `headroom run`: one command somewhere in the cluster, as if it ran here. An ordinary framework
//! with one task.

pub(crate) mod args;
mod constraint;
mod course;
mod docker;
mod ending;
mod fit;
mod follow;
mod framework;
mod placement;
mod plan;
mod teller;

use serde_json::json;

use self::args::RunArgs;
use self::course::Course;
use self::ending::Ending;
use self::framework::Framework;
use self::plan::Plan;
use self::teller::Teller;
use crate::address::Address;
use crate::client::Client;
use crate::exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::signals::Signals;

pub(crate) async fn run(args: &RunArgs, address: &Address, output: Output) -> Result<u8, Failure> {
    let plan = Plan::of(args)?;
    let client = Client::connect(address).await?;
    let (mut signals, impatience) = Signals::listen()?;
    let teller = Teller::new(output, args.verbose, &plan.task_id);
    let framework = Framework::new(&client, plan.framework.clone());
    let mut course = Course::new(&plan, framework, &teller, args.timeout, args.detach);
    let ended = tokio::select! {
        ended = course.run(&mut signals) => ended,
        // Even where a call hangs.
        Ok(signal) = impatience => Ok(Ending::left(signal)),
    };
    let detached = args.detach && ended.as_ref().is_ok_and(|ending| ending.code == exit::OK);
    if !detached {
        course.framework().teardown().await;
    }
    let ending = ended?;
    if detached {
        let framework_id = course.framework().id();
        let record = json!({
            "event": "detached", "task_id": plan.task_id, "framework_id": framework_id,
        });
        output.either(&record, || plan.task_id.clone())?;
        return Ok(exit::OK);
    }
    teller.ending(&ending);
    Ok(ending.code)
}
