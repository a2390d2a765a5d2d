// Package clients drives a node with clients that people use: aws-sdk-go-v2 here,
// boto3 and the AWS CLI in the Python files beside it. run.sh runs them all. The tests
// need a runnel binary, named by the environment variable RUNNEL, and the build tag clients.
package clients
