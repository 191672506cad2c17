import Foundation

/// The image that every process decodes before it takes part in a run: a synthetic one of 48 pixels, as a JPEG with subsampled colours.
/// It lies here as bytes, because the encoders of two machines may differ as well.
enum CanaryImage {
    static let bytes: [UInt8] = {
        guard let data = Data(base64Encoded: text, options: .ignoreUnknownCharacters) else { preconditionFailure("the canary image is damaged") }
        return Array(data)
    }()

    private static let text = """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBD/2wBDAQMDAwQDBAgEBAgQ
        CwkLEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBD/wAARCAAwADADASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL
        /8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1
        dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQF
        BgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVm
        Z2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwD56u7Ak5Kf
        Wse8sATyuBXoF5pw5+QgjnNYV3aR7mVlzjtRXrww8Oeb0Pq8oyjF55iVhMHG8rXd9EkurfY4W5sOuR71lT2xGa7q7sYmB42k1iXdkQM7etRh8VTxK9xnTnnDmP4flFYuKtLZp3T8umvq
        vQ4+aJlyMZqpKprpLizBJwKy7izxnjpXQfPM+oLzTQWYnGAPzridZt3t7yWORcD7ykdwa9dv9MLkgIAFFcvrPh6K6j2yA7lzhlHIrhx2HeJp8sd1qfX8FcR0uHcxdbEJunOPLK261TT8
        7Nart5nmU8annOQeaqSWryxlwpyf5V2K+Cbm4uUto7gybj02YwPf0rpR4A0q3gWOdpJXUchW2gf1rysP/sFTmr6O227P0PiXFU+MsEsPk/vpSTc2nGKsnpqrt69E7LfdHid1YgfnzWTd
        WdereKvCEVjbSahpxd4YVLSxvyVXuQfb0rhrmzDLuGCGHBr26FeGIjzQZ+N5nlmJymt7DFRs911TXdM+u9R075m3Jxg57Vzl9p5ZSQCD9K7q7QBGBYEH+LHWsi8iU5BXJxjkdq2PMucj
        pdpHDczO5w+0AH6//qp1yrkk9yKn1aKe2C3unwq7pkPDnG9PQe/pXMaj8QNDtwRdwX0Uyggwm1Yt+YyP1r5zMcLWlXdSKumfsnBvEOWUcqjhK9RU5wbvzO17tu6b33t307WIvEk0Nno9
        9dXDAQx28jP6EbTkV5JpttJLpMDyr823vXS65fa348kWwt7Caw0dHDyebjzZ8HI3Y4AB5wCeQOe1Tz6dHbwrDEoxGuBivSy7DTw8G57s+L4yzvD5vi4RwrvCCav3b3t5K35n/9k=
        """
}
