"""What TF Serving does with a request, done by the signatures of a loaded model, and two small servers that do so.

Reference: the documentation of TensorFlow Serving, "RESTful API", and the protocol buffers of tensorflow-serving-api.
"""

import base64
import concurrent.futures
import contextlib
import http.server
import json
import re
import threading

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class Served:
    """A version of an exported model, loaded.

    Args:
        directory: Of the version.
    """

    def __init__(self, directory):
        self._loaded = tf.saved_model.load(str(directory))
        self.signatures, self.variables = self._loaded.signatures, self._loaded.weights

    def specs(self, signature):
        """Dict by name of the inputs."""
        return self.signatures[signature].structured_input_signature[1]

    def answer(self, signature, **inputs):
        """Arrays -> dict of arrays."""
        made = self.signatures[signature](**{name: tf.constant(value) for name, value in inputs.items()})
        return {name: value.numpy() for name, value in made.items()}

    def predict(self, request):
        """`PredictRequest` -> `PredictResponse`."""
        signature = request.model_spec.signature_name or "serving_default"
        answer = self.answer(signature, **{name: tf.make_ndarray(proto) for name, proto in request.inputs.items()})
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(request.model_spec)
        for name, value in answer.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    def rest(self, body):
        """JSON of a request, in rows ("instances") or columns ("inputs") -> JSON of the answer."""
        request = json.loads(body)
        signature = request.get("signature_name", "serving_default")
        specs = self.specs(signature)
        in_rows = "instances" in request
        given = request["instances"] if in_rows else request["inputs"]
        if not isinstance(given[0] if in_rows else given, dict):
            columns = {next(iter(specs)): given}  # the name of the only input may be left out
        elif in_rows:
            columns = {name: [row[name] for row in given] for name in given[0]}
        else:
            columns = given
        inputs = {
            name: np.asarray(value).astype(specs[name].dtype.as_numpy_dtype, casting="same_kind")
            for name, value in columns.items()
        }
        outputs = {name: _jsonable(name, value) for name, value in self.answer(signature, **inputs).items()}
        if len(outputs) == 1:  # so may that of the only output
            answer = next(iter(outputs.values()))
        elif in_rows:
            answer = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
        else:
            answer = outputs
        return json.dumps({"predictions" if in_rows else "outputs": answer})


def _jsonable(name, value):
    if value.dtype != object:
        return value.tolist()
    if not name.endswith("_bytes"):
        return [one.decode() for one in value]
    return [{"b64": base64.b64encode(one).decode()} for one in value]


@contextlib.contextmanager
def rest_server(name, served):
    """Answers `POST /v1/models/NAME[/versions/N]:predict` on a port of this machine, which it yields."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not re.fullmatch(rf"/v1/models/{name}(/versions/\d+)?:predict", self.path):
                status, answer = 404, json.dumps({"error": f"no {self.path}"})
            else:
                try:
                    status, answer = 200, served.rest(body)
                except tf.errors.InvalidArgumentError as error:
                    status, answer = 400, json.dumps({"error": error.message})
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *args):
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def grpc_server(name, served):
    """Answers `PredictionService.Predict` on a port of this machine, which it yields."""

    class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            if request.model_spec.name != name:
                context.abort(grpc.StatusCode.NOT_FOUND, f"no {request.model_spec.name}")
            try:
                return served.predict(request)
            except tf.errors.InvalidArgumentError as error:
                return context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()
