"""Every error that the gateway can report, in one catalogue.

    GatewayError
    ├── ConfigError          the operator's file or flags
    ├── RequestRefused       the request cannot be taken; its body is not looked at
    ├── UploadError          what the client sent is broken, too large, or ended early
    │   ├── MalformedUpload  the bytes break the rules of their format
    │   ├── LimitExceeded    more of something than the configuration allows
    │   └── ClientError      the client went away or stopped sending
    ├── SpoolError           the gateway has no room for the upload
    ├── ServiceError         a service did not give a usable answer
    └── FileError            a file of somebody who sends one (`gateway send`) is not what it should be

The class is the identity: `code` is stable and meant for programs, the docstring's first line is
the title, `hint` says what to change, and `status` is the HTTP status that the client sees. None
of them is an OSError: urllib3 takes an OSError that is raised inside a request body for a failure
of the service, and swallows some of them.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "Base64Invalid",
    "BodyUnsupported",
    "BoundaryInvalid",
    "BoundaryMissing",
    "BoundaryNotFound",
    "BoundaryRepeated",
    "BoundaryTooLong",
    "ClientError",
    "ClientGone",
    "ClientStalled",
    "ClosingDelimiterMissing",
    "ConfigError",
    "DataURIInvalid",
    "DispositionInvalid",
    "DispositionMissing",
    "EncodingUnsupported",
    "EpilogueTooLarge",
    "FieldNotUTF8",
    "FieldTooLarge",
    "FileChanged",
    "FileError",
    "FileExpected",
    "FileUnreadable",
    "FileUnwritable",
    "FilenameInvalid",
    "FramingInvalid",
    "GatewayError",
    "HeaderTooLarge",
    "JSONInvalid",
    "JSONTooComplex",
    "JSONTooLarge",
    "LengthRequired",
    "LimitExceeded",
    "LocalOnly",
    "MalformedUpload",
    "MethodNotAllowed",
    "NameNotUTF8",
    "NearDelimiters",
    "NotMultipart",
    "PartHeaderInvalid",
    "PartHeadersTooLarge",
    "PartHeadersUnterminated",
    "PartMissing",
    "PartNameMissing",
    "PathInvalid",
    "RequestInvalid",
    "RequestRefused",
    "RouteUnknown",
    "Saturated",
    "ServiceAnswerInvalid",
    "ServiceAnswerTooLarge",
    "ServiceConnectTimeout",
    "ServiceError",
    "ServiceFirstByteTimeout",
    "ServiceRedirects",
    "ServiceReset",
    "ServiceStalled",
    "ServiceTLSFailure",
    "ServiceTimeout",
    "ServiceTotalTimeout",
    "ServiceUnreachable",
    "SpoolError",
    "SpoolFailed",
    "SpoolFull",
    "TargetTooLong",
    "TooManyParts",
    "TypeUnsupported",
    "UnexpectedFailure",
    "UploadError",
    "UploadTooLarge",
]


class GatewayError(Exception):
    """The gateway could not do what was asked."""

    code: ClassVar[str] = "gateway_error"
    """Stable name for programs; never renamed once released."""
    status: ClassVar[int] = 500
    """HTTP status of the problem document that carries this error."""
    hint: ClassVar[str] = ""
    """What the reader can change so that it works."""

    def __init__(self, detail: str, *, offset: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        """What was expected and what was found, this time."""
        self.offset = offset
        """Byte offset in the request's body where it was found; None where there is no such place."""

    @property
    def title(self) -> str:
        """The kind of error in one sentence, the same for every occurrence."""
        return (self.__doc__ or "").partition("\n")[0]


class UnexpectedFailure(GatewayError):
    """The gateway failed in a way that it should not have."""

    code = "unexpected_failure"
    hint = "This is a bug in the gateway: the log of this request id has the traceback."


class ConfigError(GatewayError):
    """The configuration is not usable."""

    code = "config_invalid"
    hint = "Correct the line that the message names, then run `gateway check` again."


# --- the request cannot be taken -------------------------------------------------------------


class RequestRefused(GatewayError):
    """The request was refused before its body was read."""

    code = "request_refused"
    status = 400


class RouteUnknown(RequestRefused):
    """No route takes this path."""

    code = "route_unknown"
    status = 404
    hint = "Post to one of the paths configured under `routes`."


class LocalOnly(RequestRefused):
    """This is served to the machine itself only."""

    code = "local_only"
    status = 403
    hint = "Ask on the machine that the gateway runs on, at its loopback address, with the gateway bound to that."


class MethodNotAllowed(RequestRefused):
    """This path does not take this method."""

    code = "method_not_allowed"
    status = 405
    hint = "Send uploads with POST or PUT; the header Allow of this answer names what the path takes."


class RequestInvalid(RequestRefused):
    """The request is not one that can be understood."""

    code = "request_invalid"
    hint = (
        "Check that the client speaks HTTP/1.1, sends each header once and in one line, and that Transfer-Encoding is "
        "`chunked` or absent."
    )


class TargetTooLong(RequestRefused):
    """The request line is longer than the gateway takes."""

    code = "target_too_long"
    status = 414
    hint = "Shorten the path or its query; send what is long as a field of a form."


class HeaderTooLarge(RequestRefused):
    """The request's header is larger than the gateway takes."""

    code = "header_too_large"
    status = 431
    hint = "Send fewer or shorter headers (very large cookies or credentials?)."


class PathInvalid(RequestRefused):
    """What the path adds to the URL of the service could lead out of it."""

    code = "path_invalid"
    hint = "Send a path without `.` and `..` as segments and without NUL, however they are written."


class LengthRequired(RequestRefused):
    """The request says neither how long its body is nor that it is chunked."""

    code = "length_required"
    status = 411
    hint = "Send Content-Length, or Transfer-Encoding: chunked where the server supports it."


class Saturated(RequestRefused):
    """The gateway is handling as many uploads as it may at once."""

    code = "saturated"
    status = 503
    hint = "Try again shortly; raise `limits.concurrent` if the machine has room for more."


class NotMultipart(RequestRefused):
    """The body is not multipart/form-data, nor anything else that the route takes."""

    code = "not_multipart"
    status = 415
    hint = (
        "Send the file as a form: `curl -F file=@name`, `requests.post(url, files=...)`, a FormData "
        "body; or let the route take raw bodies with `accept: {bodies: [multipart, raw]}`."
    )


class BodyUnsupported(RequestRefused):
    """The route does not take this kind of body."""

    code = "body_unsupported"
    status = 415
    hint = "Send what the route takes, with its Content-Type; or add the kind to the route's `accept.bodies`."


class EncodingUnsupported(RequestRefused):
    """The body is compressed, which the gateway does not undo."""

    code = "encoding_unsupported"
    status = 415
    hint = "Send the body as it is, without Content-Encoding; a compressed file is a file like any other."


class BoundaryMissing(RequestRefused):
    """Content-Type says multipart/form-data but names no boundary."""

    code = "boundary_missing"
    hint = (
        "Do not set Content-Type by hand: the library that writes the body also makes the boundary "
        "and the header that names it."
    )


class BoundaryInvalid(RequestRefused):
    """The boundary in Content-Type has characters that a boundary cannot have."""

    code = "boundary_invalid"
    hint = (
        "A boundary is 1 to 70 letters, digits or '()+_,-./:=? and inner blanks (RFC 2046 section "
        "5.1.1); quote it in the header if it has any of (),/:=? or a blank."
    )


class BoundaryTooLong(RequestRefused):
    """The boundary in Content-Type is longer than a boundary may be."""

    code = "boundary_too_long"
    hint = "Use a boundary of at most 70 characters (RFC 2046 section 5.1.1)."


class BoundaryRepeated(RequestRefused):
    """Content-Type names more than one boundary."""

    code = "boundary_repeated"
    hint = "Send one Content-Type with one boundary: two layers of the client each add their own."


# --- what the client sent --------------------------------------------------------------------


class UploadError(GatewayError):
    """The upload cannot be used."""

    code = "upload_invalid"
    status = 400


class MalformedUpload(UploadError):
    """The body breaks the rules of its format."""

    code = "upload_malformed"


class BoundaryNotFound(MalformedUpload):
    """The boundary named in Content-Type does not occur where the body must begin with it."""

    code = "boundary_not_found"
    hint = (
        "Header and body were made by different calls, or something rewrote one of them: send the "
        "Content-Type of the very object that writes the body. Its lines end with CR LF, not with LF."
    )


class PartHeadersUnterminated(MalformedUpload):
    """The body ends inside the headers of a part."""

    code = "part_headers_unterminated"
    hint = "A part's headers end with an empty line (CR LF CR LF); check that the body was written whole."


class ClosingDelimiterMissing(MalformedUpload):
    """The body ends without the closing delimiter."""

    code = "closing_delimiter_missing"
    hint = (
        "The body must end with `--boundary--`; it was cut short (by a Content-Length that is too small?), or its "
        "writer was never finished."
    )


class PartHeaderInvalid(MalformedUpload):
    """A part has a header line that is not a header."""

    code = "part_header_invalid"
    hint = (
        "Each line is `Name: value` and ends with CR LF, without folding and control characters; in a filename, line "
        "ends are written %0D%0A."
    )


class DispositionMissing(MalformedUpload):
    """A part has no Content-Disposition header."""

    code = "disposition_missing"
    hint = 'Each part needs `Content-Disposition: form-data; name="..."` (RFC 7578 section 4.2).'


class DispositionInvalid(MalformedUpload):
    """A part's Content-Disposition is not form-data."""

    code = "disposition_invalid"
    hint = 'Each part needs `Content-Disposition: form-data; name="..."` (RFC 7578 section 4.2).'


class PartNameMissing(MalformedUpload):
    """A part's Content-Disposition has no name."""

    code = "part_name_missing"
    hint = 'Each part needs `Content-Disposition: form-data; name="..."` (RFC 7578 section 4.2).'


class FramingInvalid(MalformedUpload):
    """The chunked framing of the request is broken."""

    code = "framing_invalid"
    hint = "The client, or something between it and the gateway, writes chunks wrongly (RFC 9112 section 7.1)."


class JSONInvalid(MalformedUpload):
    """The body is not a JSON object whose members can be parts."""

    code = "json_invalid"
    hint = "Send one JSON object in UTF-8, each name once; a file is a data URI or an object with `base64`."


class Base64Invalid(MalformedUpload):
    """The content of a file is not base64."""

    code = "base64_invalid"
    hint = "Encode it with the standard alphabet and with padding (RFC 4648 section 4); line ends may stand in it."


class DataURIInvalid(MalformedUpload):
    """The content of a file is not what a data URI can hold."""

    code = "data_uri_invalid"
    hint = "Percent-encode what is no letter or digit, or write the content in base64."


class FilenameInvalid(MalformedUpload):
    """The name of a file cannot be used."""

    code = "filename_invalid"
    hint = "Send one name without line ends and other control characters."


class FileExpected(UploadError):
    """The upload does not have the file that the service takes."""

    code = "file_expected"
    status = 422
    hint = "Send a part with a filename: exactly one, unless the service gets each file by itself."


class NameNotUTF8(UploadError):
    """A name in the upload is not UTF-8, and has to be compared or rewritten."""

    code = "name_not_utf8"
    status = 422
    hint = "Send names and filenames as UTF-8, or remove the rule under `send` that needs them."


class FieldNotUTF8(UploadError):
    """A field is not UTF-8, and the service takes JSON, which holds nothing else."""

    code = "field_not_utf8"
    status = 422
    hint = "Send text as UTF-8, and bytes as a file (with a filename); or let the service take a form."


class PartMissing(UploadError):
    """A part that the route requires is missing."""

    code = "part_missing"
    status = 422
    hint = "Send a part of that name, with a file chosen where it is one; the route's `accept.require` lists the names."


class TypeUnsupported(UploadError):
    """A file is not of a type that the route takes."""

    code = "type_unsupported"
    status = 415
    hint = "Send a file of a type that the route's `accept.types` lists, and declare that type."


class LimitExceeded(UploadError):
    """The upload has more of something than is allowed."""

    code = "limit_exceeded"
    status = 413


class UploadTooLarge(LimitExceeded):
    """The upload is larger than the gateway takes."""

    code = "upload_too_large"
    hint = "Send less, or raise `limits.body`, and `accept.body` where the route has one."


class JSONTooLarge(LimitExceeded):
    """The upload is JSON and larger than the gateway takes."""

    code = "json_too_large"
    hint = "Send files as a form or bare, which have no such limit; or raise `limits.json`."


class JSONTooComplex(LimitExceeded):
    """A value of the JSON object is of too many pieces."""

    code = "json_too_complex"
    hint = "Send such data as a file part."


class TooManyParts(LimitExceeded):
    """The upload has more parts than the gateway takes."""

    code = "too_many_parts"
    hint = "Send fewer parts, or raise `limits.parts`."


class PartHeadersTooLarge(LimitExceeded):
    """The headers of a part are larger than the gateway takes."""

    code = "part_headers_too_large"
    hint = "Shorten the part's headers (a very long filename?), or raise `limits.part_headers`."


class FieldTooLarge(LimitExceeded):
    """A field without a filename is larger than the gateway takes."""

    code = "field_too_large"
    hint = "Send large content as a file part (with a filename), or raise `limits.field`."


class EpilogueTooLarge(LimitExceeded):
    """Too much follows the closing delimiter."""

    code = "epilogue_too_large"
    hint = "Nothing belongs behind `--boundary--`; a second body was probably appended to the first."


class NearDelimiters(LimitExceeded):
    """The content is full of lines that begin like a delimiter."""

    code = "near_delimiters"
    hint = "Let the client choose a random boundary that does not occur in its files."


class ClientError(UploadError):
    """The client did not finish its upload."""

    code = "client_failed"


class ClientGone(ClientError):
    """The client closed the connection before its upload was complete."""

    code = "client_gone"
    hint = "The connection was cut, or Content-Length is larger than what was sent."


class ClientStalled(ClientError):
    """The client stopped sending in the middle of its upload."""

    code = "client_stalled"
    status = 408
    hint = "Send again; raise `client.stall` for clients that pause longer."


# --- the gateway itself ----------------------------------------------------------------------


class SpoolError(GatewayError):
    """The gateway cannot hold the upload."""

    code = "spool_failed"


class SpoolFull(SpoolError):
    """There is no room left for uploads."""

    code = "spool_full"
    status = 507
    hint = "Try again when other uploads are done; raise `spool.quota` or free disk space under `state`."


class SpoolFailed(SpoolError):
    """The gateway could not write or read its own copy of the upload."""

    code = "spool_unusable"
    hint = "Check the disk and the permissions of the `state` directory."


# --- the services ----------------------------------------------------------------------------


class ServiceError(GatewayError):
    """A service did not give a usable answer."""

    code = "service_failed"
    status = 502
    hint = "Look into the service's log."

    unsent = False
    """Whether no byte of the request can have left: then it may be sent again, whatever it is."""


class ServiceUnreachable(ServiceError):
    """No connection to the service could be made."""

    code = "service_unreachable"
    hint = "Check that the service runs and that its `url` has the right host and port."


class ServiceTLSFailure(ServiceError):
    """The TLS handshake with the service failed."""

    code = "service_tls_failure"
    hint = "Check the service's certificate and name, and whether its `url` should begin with https at all."


class ServiceReset(ServiceError):
    """The service closed the connection without an answer."""

    code = "service_reset"
    hint = "Look into the service's log: it crashed, refused the upload, or limits its size."


class ServiceAnswerInvalid(ServiceError):
    """The service's answer is not HTTP, or it was cut off."""

    code = "service_answer_invalid"
    hint = "Check that `url` names an HTTP service, and look into its log."


class ServiceAnswerTooLarge(ServiceError):
    """The service's answer is too large for a JSON reply."""

    code = "service_answer_too_large"
    hint = "Let the route reply with the answer itself (`reply: passthrough`), which has no limit."


class ServiceRedirects(ServiceError):
    """The service answered with a redirect that cannot be followed."""

    code = "service_redirects"
    hint = "Configure the URL that the redirect names: following it would lose the upload or change who gets it."


class ServiceTimeout(ServiceError):
    """The service took too long."""

    code = "service_timeout"
    status = 504
    hint = "Give the service more time, if it needs that."


class ServiceConnectTimeout(ServiceTimeout):
    """The service did not accept a connection in time."""

    code = "service_connect_timeout"
    hint = "Check host and port of the service's `url`, or raise `timeout.connect`."


class ServiceStalled(ServiceTimeout):
    """The service stopped taking the upload."""

    code = "service_stalled"
    hint = "The service reads too slowly; raise `timeout.stall`, or use `deliver: whole` if it waits for the end."


class ServiceFirstByteTimeout(ServiceTimeout):
    """The service took the upload and did not begin its answer in time."""

    code = "service_first_byte_timeout"
    hint = "Raise `timeout.first_byte` if the service needs longer to work on an upload."


class ServiceTotalTimeout(ServiceTimeout):
    """The delivery took longer than it may in all."""

    code = "service_total_timeout"
    hint = "Raise `timeout.total` if the service needs longer."


# --- the files of `gateway send` -------------------------------------------------------------


class FileError(GatewayError):
    """A file on this machine is not what it should be."""

    code = "file_failed"


class FileChanged(FileError):
    """A file was changed while it was being sent."""

    code = "file_changed"
    hint = "The request was not completed. Send it again when nobody writes to it, or send a copy."


class FileUnreadable(FileError):
    """A file could not be read to its end."""

    code = "file_unreadable"
    hint = "The request was not completed. Check the file and its disk, and send it again."


class FileUnwritable(FileError):
    """The answer could not be saved."""

    code = "file_unwritable"
    hint = "The service has the upload and has answered. Check the directory and the room on its disk."
