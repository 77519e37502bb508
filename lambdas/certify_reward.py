"""CertifyReward: one verdict on everything checked so far."""

from lambdas import _runtime
from tunestep.context import StepEvent
from tunestep.reward_certify import certify_reward

handler = _runtime.handler(StepEvent, certify_reward)
