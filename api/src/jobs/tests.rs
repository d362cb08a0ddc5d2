//! Jobs on their own threads.

use std::future::pending;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::*;

const KIND: JobKind = JobKind { name: "test", roles: &[Role::Analyst] };

fn merchant(name: &str) -> MerchantId {
    name.parse().unwrap()
}

fn jobs() -> Jobs {
    Jobs::new(Some(7)).unwrap()
}

/// Starts a job for a merchant that goes on until it is cancelled.
fn endless(jobs: &Jobs, of: &str) -> Result<Arc<Job>, Problem> {
    jobs.start(&merchant(of), "key", KIND, |progress| async move {
        let _held = progress;
        pending::<Result<Value, Problem>>().await
    })
}

/// Waits until a job has ended.
async fn ended(job: &Job) -> Standing {
    let mut standing = job.watch();
    let ended = standing.wait_for(|standing| standing.state.is_over());
    timeout(Duration::from_secs(10), ended).await.expect("it ends").unwrap().clone()
}

/// Waits until nobody works on a job any more.
async fn let_go(job: &Job) {
    timeout(Duration::from_secs(10), async {
        while job.is_worked_on() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its work ends");
}

#[track_caller]
fn refused<T>(result: Result<T, Problem>) -> u16 {
    result.err().expect("it is refused").status().as_u16()
}

#[tokio::test]
async fn a_job_tells_how_far_it_is_and_ends_with_its_result() {
    let jobs = jobs();
    let (go, gone) = oneshot::channel::<()>();
    let job = jobs.start(&merchant("north"), "key", KIND, |progress| async move {
        progress.tell(1, 2);
        gone.await.unwrap();
        progress.tell(2, 2);
        Ok(json!({"orders": 2}))
    });
    let job = job.unwrap();
    let mut standing = job.watch();
    let half = standing.wait_for(|standing| (standing.done, standing.total) == (1, 2)).await.unwrap().clone();
    assert_eq!(half.state.name(), "running");
    go.send(()).unwrap();
    let ended = ended(&job).await;
    assert_eq!((ended.done, ended.total), (2, 2));
    let State::Done(result, _) = ended.state else { panic!("{ended:?}") };
    assert_eq!(result.get(), r#"{"orders":2}"#);
}

#[tokio::test]
async fn a_job_is_there_for_its_merchant_alone() {
    let jobs = jobs();
    let job = endless(&jobs, "north").unwrap();
    assert_eq!(jobs.find(&merchant("north"), &job.id).unwrap().id, job.id);
    assert!(jobs.find(&merchant("south"), &job.id).is_none());
    assert!(jobs.find(&merchant("north"), "j-7-0000000000000000").is_none());
}

#[tokio::test]
async fn the_id_of_a_job_names_the_process_that_it_runs_in() {
    let jobs = jobs();
    let job = endless(&jobs, "north").unwrap();
    assert_eq!(jobs.elsewhere(&job.id), None, "{}", job.id);
    assert_eq!(Jobs::new(Some(8)).unwrap().elsewhere(&job.id), Some(7));
    for odd in ["", "j-", "j-7", "j--7", "j-x-1", "x-8-1", "web:none"] {
        assert_eq!(jobs.elsewhere(odd), None, "{odd}");
    }
}

#[tokio::test]
async fn one_merchant_and_all_of_them_run_so_many_jobs_at_once() {
    let jobs = jobs();
    let first = endless(&jobs, "north").unwrap();
    endless(&jobs, "north").unwrap();
    assert_eq!(refused(endless(&jobs, "north")), 429);
    endless(&jobs, "south").unwrap();
    endless(&jobs, "west").unwrap();
    assert_eq!(refused(endless(&jobs, "east")), 429);
    first.cancel();
    assert_eq!(ended(&first).await.state.name(), "cancelled");
    let_go(&first).await;
    endless(&jobs, "east").unwrap();
}

#[tokio::test]
async fn two_merchants_leave_a_place_for_a_third() {
    let jobs = jobs();
    for of in ["north", "north", "south"] {
        endless(&jobs, of).unwrap();
    }
    assert_eq!(refused(endless(&jobs, "south")), 429, "the last place is for one who has none");
    let third = endless(&jobs, "west").unwrap();
    third.cancel();
    let_go(&third).await;
    assert_eq!(refused(endless(&jobs, "south")), 429, "and again when it is free");
    endless(&jobs, "east").unwrap();
}

#[tokio::test]
async fn a_cancelled_job_counts_until_its_work_has_let_go() {
    let jobs = jobs();
    let (hand_out, handed_out) = oneshot::channel();
    let job = jobs.start(&merchant("north"), "key", KIND, |progress| async move {
        hand_out.send(progress).unwrap();
        pending::<Result<Value, Problem>>().await
    });
    let (job, held) = (job.unwrap(), handed_out.await.unwrap());
    endless(&jobs, "north").unwrap();
    assert!(!held.is_cancelled());
    job.cancel();
    assert!(held.is_cancelled());
    assert_eq!(refused(endless(&jobs, "north")), 429, "somebody works on it");
    drop(held);
    let_go(&job).await;
    endless(&jobs, "north").unwrap();
}

#[tokio::test]
async fn a_job_that_panics_or_yields_too_much_has_failed() {
    let jobs = jobs();
    let panics = jobs.start::<Value, _>(&merchant("north"), "key", KIND, |_| async { panic!("a phone number") });
    let yields = jobs.start(&merchant("north"), "key", KIND, |_| async { Ok("x".repeat(RESULT_BYTES_MAX)) });
    for (job, code) in [(panics.unwrap(), "internal"), (yields.unwrap(), "result_too_large")] {
        let State::Failed(problem, _) = ended(&job).await.state else { panic!("{job:?}") };
        assert_eq!(serde_json::to_value(problem).unwrap()["code"], code);
    }
}

#[tokio::test]
async fn what_ended_stays_as_it_ended() {
    let jobs = jobs();
    let job = jobs.start(&merchant("north"), "key", KIND, |_| async { Ok(1) }).unwrap();
    ended(&job).await;
    job.cancel();
    assert_eq!(ended(&job).await.state.name(), "done");
}

#[tokio::test]
async fn of_those_that_ended_the_last_are_kept() {
    let jobs = jobs();
    let mut all = vec![];
    for number in 0..20 {
        let job = jobs.start(&merchant("north"), "key", KIND, move |_| async move { Ok(number) }).unwrap();
        ended(&job).await;
        all.push(job);
    }
    let running = endless(&jobs, "north").unwrap();
    let kept = |job: &Arc<Job>| jobs.find(&merchant("north"), &job.id).is_some();
    assert_eq!(all.iter().map(kept).collect::<Vec<_>>(), [vec![false; 4], vec![true; 16]].concat());
    assert!(kept(&running));
}

#[tokio::test]
async fn jobs_end_with_the_service_and_none_begins_any_more() {
    let jobs = jobs();
    let job = endless(&jobs, "north").unwrap();
    jobs.stop();
    assert_eq!(ended(&job).await.state.name(), "cancelled");
    assert_eq!(refused(endless(&jobs, "south")), 503);
}
