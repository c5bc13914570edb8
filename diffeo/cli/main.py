"""`diffeo`: every verb from the shell. Training and service are imported inside the command that needs them."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from diffeo.bundle.errors import BundleError
from diffeo.errors import DiffeoError

from . import commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0, 1 for a refusal with its reason, 2 for a wrong command line, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _say(getattr(options, "interrupted", "interrupted"), 130)
    except BrokenPipeError:
        # Whoever read standard output has gone, as `head` does; Python would complain once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        return _say(f"diffeo {options.command}: {_how_to_get(error.name or '', options.command)}", 1)
    except Exception as error:
        if _is_ours(error):
            return _say(f"diffeo {options.command}: {error}", 1)
        raise
    return code


def serve(options: argparse.Namespace) -> int:
    """Serve a repository over HTTP."""
    from diffeo.service.settings import Settings, settle  # noqa: PLC0415

    if options.ray:
        from diffeo.service.process import ray_environment  # noqa: PLC0415

        # Ray reads its environment when it is imported.
        ray_environment.prepare()
        from diffeo.service.process.ray_app import run as run_server  # noqa: PLC0415
    else:
        from diffeo.service.process.server import serve as run_server  # noqa: PLC0415
    given = {name: value for name, value in vars(options).items() if value is not None}
    run_server(settle({name: value for name, value in given.items() if name in Settings.model_fields}))
    return 0


def fit(options: argparse.Namespace) -> int:
    """Fit a flow, certify it, publish it."""
    source: Path = options.source
    is_recipe = source.suffix == ".toml"
    if not is_recipe and options.name is None:
        raise DiffeoError("a table needs a name for its model: --name NAME")
    from diffeo.training import recipe, run  # noqa: PLC0415

    chosen = recipe.read(source) if is_recipe else recipe.for_file(source, options.name)
    options.interrupted = f"interrupted; go on with: diffeo fit {source} --resume (and the same options)"
    settings = run.Options(
        options.models,
        options.runs,
        options.device,
        resume=options.resume,
        torchscript=options.torchscript,
        int8=options.int8,
    )
    report = run.run(chosen, settings)
    print(report)  # noqa: T201  (what a command answers goes to standard output)
    return 0


def certify(options: argparse.Namespace) -> int:
    """Measure a published bundle's graphs against its flow again."""
    from diffeo.training import recertify  # noqa: PLC0415

    print(recertify.recertify(options.bundle, int8=options.int8, publish_it=options.publish))  # noqa: T201
    return 0


def study(options: argparse.Namespace) -> int:
    """Run the coursework's experiments, judge its claims, write the report."""
    from diffeo.training.study import study as work  # noqa: PLC0415

    options.interrupted = "interrupted; what has ended is kept, and the same command goes on"
    place = Path("runs/study-quick") if options.quick else Path("docs/study")
    cache = Path("runs/study-quick/cache") if options.quick else Path("runs/study")
    settings = work.Options(
        options.out or place, cache, options.data, options.models, workers=options.workers, quick=options.quick
    )
    if options.claim is not None:
        print(work.judge(options.claim, settings))  # noqa: T201
    elif options.report:
        work.write_report(settings)
    else:
        print(work.study(settings))  # noqa: T201
    return 0


def _how_to_get(module: str, command: str) -> str:
    package = module.partition(".")[0]
    # The engine torchscript is the one part of the service that needs what training needs.
    if command in {"fit", "certify", "study"} or package == "torch":
        extra = "train"
    elif package == "ray":
        extra = "ray"
    else:
        extra = "serve" if command == "serve" else "local"
    return f"needs {package}; pip install 'diffeo[{extra}]'"


def _is_ours(error: Exception) -> bool:
    # Not imported here: a client-only installation has neither service, runtime nor training.
    roots = {"ServiceError", "EngineError", "TrainingError"}
    return isinstance(error, DiffeoError | BundleError) or any(base.__name__ in roots for base in type(error).__mro__)


def _say(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "diffeo", description="Exact densities: fit, certify, serve and ask normalizing flows."
    )
    parser.add_argument("--version", action="version", version=f"diffeo {version('diffeo')}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(subparsers)
    _add_fit(subparsers)
    _add_certify(subparsers)
    _add_study(subparsers)
    commands.add_commands(subparsers)
    return parser


def _add_serve(subparsers: commands.Commands) -> None:
    parser = subparsers.add_parser("serve", help="serve a repository over HTTP (settings also as DIFFEO_* variables)")
    parser.set_defaults(run=serve)
    parser.add_argument("--models", type=Path, help="repository folder (models)")
    parser.add_argument("--default-model", help="model for requests that name none")
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (8000)")
    parser.add_argument("--engine", choices=["onnx", "torchscript"], help="runtime (onnx)")
    parser.add_argument("--execution-providers", help="in order of preference: cpu, or cuda,cpu (cpu)")
    parser.add_argument("--workers", type=int, help="processes on the one port (usable cores)")
    parser.add_argument("--threads", type=int, help="chunks that one worker computes at the same time (usable cores)")
    parser.add_argument("--ray", action="store_true", help="in replicas of Ray Serve (diffeo[ray])")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], help="least level logged (info)")


def _add_fit(subparsers: commands.Commands) -> None:
    parser = subparsers.add_parser("fit", help="fit a recipe or your own table, certify and publish it")
    parser.set_defaults(run=fit)
    parser.add_argument("source", type=Path, help="a recipe (.toml) or a table (.csv, .parquet, .npy)")
    parser.add_argument("--name", help="name of the model, for a table")
    parser.add_argument("--models", type=Path, default=Path("models"), help="repository to publish into (models)")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="where an unfinished fit keeps its state (runs)"
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to fit (auto)")
    parser.add_argument("--resume", action="store_true", help="go on from where the last fit stopped")
    parser.add_argument("--torchscript", action="store_true", help="add the graphs as TorchScript")
    parser.add_argument("--int8", action="store_true", help="add the graphs with hidden products in 8-bit integers")


def _add_certify(subparsers: commands.Commands) -> None:
    parser = subparsers.add_parser("certify", help="measure a bundle's graphs against its flow in float64")
    parser.set_defaults(run=certify)
    parser.add_argument("bundle", type=Path, help="a bundle folder, models/NAME/VERSION")
    parser.add_argument("--int8", action="store_true", help="add the graphs with hidden products in 8-bit integers")
    parser.add_argument("--publish", action="store_true", help="publish the next version with the new figures")


def _add_study(subparsers: commands.Commands) -> None:
    parser = subparsers.add_parser("study", help="run the coursework's experiments and judge its claims")
    parser.set_defaults(run=study)
    parser.add_argument("--claim", type=int, metavar="N", help="judge one claim, 1 to 7, and write nothing")
    parser.add_argument("--report", action="store_true", help="write the page again from its results; run nothing")
    parser.add_argument("--quick", action="store_true", help="one seed, few epochs, every path (runs/study-quick)")
    parser.add_argument("--data", type=Path, help="folder of the real tables; without it their rows are kept")
    parser.add_argument("--out", type=Path, help="where the report goes (docs/study)")
    parser.add_argument("--models", type=Path, default=Path("models"), help="served models to compare with (models)")
    parser.add_argument("--workers", type=int, default=0, help="fits at the same time (cores of this process)")
