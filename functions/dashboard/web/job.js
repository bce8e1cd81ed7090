// The job that a credit paid for: what it was for, how it ended, and when an open hold goes back.
import { html } from "./html.js";
import { Ago, Time } from "./format.js";
import { Quoted } from "./ui.js";

const STATES = {
  unused: "Not used yet", running: "Running", completed: "Completed", failed: "Failed", returned: "Returned without a job",
};
const CAUSES = {
  download_auth: "The video is private or needs a log-in", download_blocked: "TikTok blocked the download",
  download_network: "The network failed while the video was downloaded", download_not_found: "The video does not exist, or was deleted",
  download_unknown: "The video could not be downloaded",
};

// The cause of a failure: in our words if its code is known, else as the service said it.
export function cause(job) {
  const text = job?.cause || "";
  const code = /\[code: (\w+)\]/.exec(text)?.[1];
  return CAUSES[code] || text;
}

// Said with the entry itself: why the job failed, or until when it may run.
export function JobLine({ job, isEnd }) {
  if (!job) return null;
  const why = isEnd && cause(job);
  return html`${job.url && !isEnd && html`<p class="small job"><a href=${job.url} target="_blank" rel="noopener noreferrer"><bdi>${job.url.replace(/^https:\/\/(www\.)?/, "")}</bdi></a></p>`}
    ${why && html`<p class="small">Failed: <${Quoted}>${why}<//></p>`}
    ${job.releasedBy && html`<p class="small quiet">Goes back by <${Time} at=${job.releasedBy} style="full" /> (<${Ago} at=${job.releasedBy} />) at the latest.</p>`}`;
}

// The facts of the record, as `[name, value]`.
export function jobFacts(job) {
  if (!job) return [];
  const time = (at) => at && html`<${Time} at=${at} style="full" />`;
  return [
    ["Job", STATES[job.state]], ["Video", job.url && html`<a href=${job.url} target="_blank" rel="noopener noreferrer">${job.url}</a>`], ["Job id", job.jobId], ["Upstream's job id", job.upstreamId],
    ["Cause", job.cause], ["Submitted", time(job.submittedAt)], ["Ended", time(job.endedAt)], ["Token's end", time(job.tokenEndsAt)],
    ["Erased", job.erased && "Video and cause were erased with the person's data"],
  ];
}
