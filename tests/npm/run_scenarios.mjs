// Runs scenarios on aws-local-stepfunctions, all at the same time: it really waits.
//
// Standard input: [{name, definition, script: {state: [action]}, document}]; an action is {do, ...} as
// tests/local/asl/npm_runner.py writes it, the last one repeats. Standard output: {name: outcome}, with
// outcome {path, document, status, error, cause}. Tokens do not exist here: a state that waits is a
// function that answers.
import { readFileSync } from "node:fs";
import { StateMachine } from "aws-local-stepfunctions";

const CONTEXT = {
  Execution: { Id: "arn:of:run-1", Name: "run-1" },
  State: { Name: "unknown" },
  Task: { Token: "none" },
};

const failure = (name, message) => Object.assign(new Error(message), { name });

const play = async (action) => {
  if (action.after) await new Promise((resolve) => setTimeout(resolve, action.after * 1000));
  if (action.do === "return") return action.value;
  if (action.do === "throw") throw failure(action.error, action.cause);
  return new Promise(() => {});
};

const handler = (actions) => {
  let turn = 0;
  return () => {
    const answer = play(actions[Math.min(turn++, actions.length - 1)]);
    answer.catch(() => {}); // a state that ends for another reason never looks at it
    return answer;
  };
};

const run = async ({ definition, script, document }) => {
  const states = Object.keys(definition.States);
  const handlers = Object.entries(script).map(([state, actions]) => [state, handler(actions)]);
  const machine = new StateMachine(definition, { validationOptions: { noValidate: true } });
  const execution = machine.run(document, {
    context: structuredClone(CONTEXT),
    overrides: {
      taskResourceLocalHandlers: Object.fromEntries(handlers),
      retryIntervalOverrides: Object.fromEntries(states.map((state) => [state, 0])),
    },
  });
  execution.result.catch(() => {}); // its events say the same
  const path = [];
  const outcome = { path, document: null, status: "RUNNING", error: null, cause: null };
  for await (const event of execution.eventLogs) {
    if (event.type === "StateEntered") {
      path.push(event.state.name);
      outcome.document = event.state.input;
    } else if (event.type === "ExecutionSucceeded") {
      Object.assign(outcome, { status: "SUCCEEDED", document: event.output });
    } else if (event.type === "ExecutionFailed") {
      Object.assign(outcome, { status: "FAILED", error: event.Error, cause: event.Cause });
    } else if (event.type === "ExecutionTimeout") {
      outcome.status = "TIMED_OUT";
    }
  }
  return outcome;
};

const scenarios = JSON.parse(readFileSync(0, "utf8"));
const outcomes = await Promise.all(scenarios.map(async (scenario) => [scenario.name, await run(scenario)]));
// What never answers would keep the process.
process.stdout.write(JSON.stringify(Object.fromEntries(outcomes)), () => process.exit(0));
