locals {
  artifact_directory = var.artifacts.url != null ? null : coalesce(var.artifacts.directory, "${local.root}/build/aws-${var.architecture}-py313")
  artifact_files = concat(
    [for layer in local.layers : "layer-${layer}.zip"],
    [for key in keys(local.functions) : "${key}.zip"],
  )
  layers = ["dependencies", "gateway"]

  artifacts_missing = [
    for file in local.artifact_files : file
    if local.artifact_directory == null ? !contains(keys(var.artifacts.sha256), file) : !fileexists("${local.artifact_directory}/${file}")
  ]
  artifacts_changed = [
    for file, sha256 in var.artifacts.sha256 : file
    if local.artifact_directory != null && try(filesha256("${local.artifact_directory}/${file}"), sha256) != sha256
  ]

  bucket_and_prefix = var.artifacts.url == null ? [] : regex("^s3://([^/]+)(?:/(.+))?$", var.artifacts.url)

  # Where each zip is, and its SHA-256 in base64, as Lambda reports it.
  artifacts = {
    for file in local.artifact_files : file => {
      filename  = local.artifact_directory == null ? null : "${local.artifact_directory}/${file}"
      s3_bucket = local.artifact_directory == null ? local.bucket_and_prefix[0] : null
      s3_key    = local.artifact_directory == null ? join("/", compact([local.bucket_and_prefix[1], file])) : null
      hash      = local.artifact_directory == null ? local.base64_of_sha256[file] : try(filebase64sha256("${local.artifact_directory}/${file}"), null)
    }
  }

  # Terraform has no function that converts hex to base64. Three hex digits are two base64 digits, so 64 hex digits and "00" are
  # 22 such groups. Base64 writes the last digit as "=".
  base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  base64_of_sha256 = {
    for file in local.artifact_files : file => "${substr(join("", flatten([
      for group in range(22) : [
        for number in [parseint(substr("${lookup(var.artifacts.sha256, file, sha256(""))}00", group * 3, 3), 16)] :
        "${substr(local.base64_digits, floor(number / 64), 1)}${substr(local.base64_digits, number % 64, 1)}"
      ]
    ])), 0, 43)}="
  }
}

resource "aws_lambda_layer_version" "this" {
  for_each = toset(local.layers)

  layer_name               = "${local.prefix}-${each.key}"
  filename                 = local.artifacts["layer-${each.key}.zip"].filename
  s3_bucket                = local.artifacts["layer-${each.key}.zip"].s3_bucket
  s3_key                   = local.artifacts["layer-${each.key}.zip"].s3_key
  source_code_hash         = local.artifacts["layer-${each.key}.zip"].hash
  compatible_runtimes      = ["python3.13"]
  compatible_architectures = [var.architecture]

  depends_on = [terraform_data.preflight]
}
